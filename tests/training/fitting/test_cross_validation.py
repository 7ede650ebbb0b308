"""A run with folds on drawn lesions: one pretraining, one network per fold, one graph, metrics of held-out images."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from inference.bundle.storage import open_bundle
from inference.domain.taxonomy import CLASSES
from tests.support.drawn_run import CONFIG
from tests.support.metrics import assert_printed, assert_same_counts
from tests.support.small_backbone import CHANNELS, NAME, register_small_backbone
from training.__main__ import main
from training.config_file import load
from training.data.splits import read_folds
from training.fitting import cross_validation
from training.fitting.checkpoints import Checkpoints
from training.fitting.reports import Silent
from training.networks.network import Network

EXTRA = 2
SMALL = CONFIG[: CONFIG.index("[warm_up]")]
FOLDED = (
    SMALL.replace("fractions = [0.70, 0.15, 0.15]", "folds = 3\nper_class = 21")
    .replace('name = "drawn"', 'name = "folded"')
    .replace('graphs = ["openvino-fp32", "keras"]', 'graphs = ["openvino-fp32"]\nstored_as = "float16"')
    .replace('backbone = "efficientnetv2-b0"', f'backbone = "{NAME}"')
    + """
[pretrain]
name = "other drawn lesions"
citation = "Somebody."
licence = "none"
labels = "labels.csv"
images = ["other"]
size = 32
layers = 20
batch_norm = 20
epochs = 1
learning_rate = 1e-3
patience = 9

[extra]
name = "lesions from elsewhere"
citation = "Somebody else."
licence = "none"
labels = "elsewhere.csv"
images = "elsewhere"

[warm_up]
layers = 0
epochs = 0
learning_rate = 1e-3
patience = 9

[fine_tune]
images = ["HAM10000_images_part_1"]
size = 32
layers = 60
batch_norm = 60
epochs = 1
learning_rate = 1e-3
patience = 9

[finish]
layers = 20
epochs = 1
learning_rate = 1e-4
patience = 9
"""
)


register_small_backbone()


def write_others(data: Path) -> list[str]:
    """The same lesions under other names, for pretraining; returns the names."""
    (data / "other").mkdir()
    images = sorted((data / "HAM10000_images_part_1").glob("*.jpg"))
    for path in images:
        shutil.copy(path, data / "other" / f"OTHER_{path.name}")
    names = [f"OTHER_{path.stem}" for path in images]
    rows = [f"{name},{CLASSES[i % 7].upper()}" for i, name in enumerate(names)]
    (data / "labels.csv").write_text("\n".join(["image_id,label", *rows]))
    return names


def write_extra(data: Path) -> None:
    """Two melanomas that stand in another table than the rest."""
    (data / "elsewhere").mkdir()
    for number, path in enumerate(sorted((data / "HAM10000_images_part_1").glob("*.jpg"))[:EXTRA]):
        shutil.copy(path, data / "elsewhere" / f"ELSEWHERE_{number}.jpg")
    (data / "elsewhere.csv").write_text("image_id,label\nELSEWHERE_0,MEL\nELSEWHERE_1,MEL\n")


@pytest.fixture(scope="module")
def home(kaggle_layout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """LUNAR_HOME after one fold was trained with `fold` and the others with `run`."""
    root, data = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("data")
    shutil.copytree(kaggle_layout, data, dirs_exist_ok=True)
    write_others(data)
    write_extra(data)
    (root / "folded.toml").write_text(FOLDED)
    (root / "data").write_text(str(data))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUNAR_HOME", str(root))
        patch.setenv("LUNAR_DATA", str(data))
        assert main(["fold", str(root / "folded.toml"), "2"]) == 0
        (early,) = (root / "runs").glob("folded-*/fold-2")
        before = {path.name: path.stat().st_mtime_ns for path in early.glob("*.npz")}
        assert main(["run", str(root / "folded.toml")]) == 0
        assert {path.name: path.stat().st_mtime_ns for path in early.glob("*.npz")} == before, "trained twice"
        yield root


def test_an_unreadable_image_of_any_stage_is_found_before_training(
    kaggle_layout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that only pretraining reads, and one in a folder that only a stage reads."""
    data = Path(shutil.copytree(kaggle_layout, tmp_path / "data"))
    shutil.copytree(data / "HAM10000_images_part_1", data / "small")
    small = sorted(path.stem for path in (data / "small").glob("*.jpg"))
    others = write_others(data)
    write_extra(data)
    (data / "other" / f"{others[3]}.jpg").write_bytes(b"no image")
    (data / "small" / f"{small[5]}.jpg").write_bytes(b"\xff\xd8\xff")
    before, stages = FOLDED.split("[fine_tune]")
    config = tmp_path / "folded.toml"
    config.write_text(f"{before}[fine_tune]{stages.replace('HAM10000_images_part_1', 'small')}")
    monkeypatch.setenv("LUNAR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LUNAR_DATA", str(data))
    assert main(["fold", str(config), "1"]) != 0
    said = capsys.readouterr().err
    assert "2 of " in said
    assert f"{others[3]}.jpg: The content is not an image" in said
    assert f"{small[5]}.jpg: The JPEG file is damaged" in said
    assert not list((tmp_path / "home").rglob("*.npz")), "nothing was trained"


def test_the_first_weights_of_a_fold_do_not_depend_on_the_folds_before(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`fold` trains one alone, `run` one after the other."""

    class BuiltError(Exception):
        pass

    heads = []

    def note(_: Path, network: Network, *__: object, **___: object) -> None:
        heads.append(network.head.get_weights()[0])
        raise BuiltError

    monkeypatch.setattr(cross_validation, "check_training", note)
    data = Path((home / "data").read_text())
    config = load(home / "folded.toml")
    for fold in (0, 1, 1):
        with pytest.raises(BuiltError):
            cross_validation.train_fold(
                fold, config, read_folds(config, data), data=data, home=home, checkpoints=tmp_path, report=Silent()
            )
    assert np.array_equal(heads[1], heads[2])


def test_other_images_or_labels_are_not_taken_for_those_of_the_run(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The folds know the lesions of the metadata, not the images."""
    data = Path((home / "data").read_text())
    monkeypatch.setenv("LUNAR_HOME", str(home))
    monkeypatch.setenv("LUNAR_DATA", str(data))
    (table := data / "labels.csv").write_text((right := table.read_text()).replace(",MEL", ",NV", 1))
    for command in (["run", str(home / "folded.toml")], ["fold", str(home / "folded.toml"), "1"]):
        assert main(command) == 1
        assert "are not those with which this run began" in capsys.readouterr().err
    table.write_text(right)
    assert main(["run", str(home / "folded.toml")]) == 0
    assert "was finished before" in capsys.readouterr().out


def test_every_fold_has_its_network_and_the_pretraining_is_shared(home: Path) -> None:
    (run,) = (home / "runs").iterdir()
    assert len(list((home / "pretrained").iterdir())) == 1
    stages = {path.name for path in (run / "fold-1").glob("*.npz")}
    assert stages == {f"{stage}-{kind}.npz" for stage in ("fine_tune", "finish") for kind in ("latest", "best")}
    kernels = [
        np.concatenate([each.ravel() for each in Checkpoints(run / f"fold-{n}").best("finish")]) for n in (1, 2, 3)
    ]
    assert (kernels[0] != kernels[1]).any()
    assert (kernels[1] != kernels[2]).any()


def test_every_fold_also_sees_the_extra_images(home: Path) -> None:
    """Of the 147 images of the run a network sees 98, at the size of the last stage."""
    seen = [len(np.load(path, mmap_mode="r")) for path in (home / "prepared").glob("*-64.npy")]
    assert seen == [98 + EXTRA] * 3


def test_the_bundle_is_one_graph_of_three_networks(home: Path) -> None:
    manifest = open_bundle(home / "bundles" / "folded").manifest
    assert manifest.head_shape == (3 * CHANNELS, 7)
    assert manifest.metrics.images == sum(manifest.data.images.values()) == 147
    assert set(manifest.data.images) == {"fold 1", "fold 2", "fold 3"}
    assert "Somebody." in manifest.data.pretraining
    assert "training sees lesions from elsewhere: Somebody else." in manifest.data.pretraining
    assert open_bundle(home / "bundles" / "folded").ood_detector.components.shape == (126, 3 * CHANNELS)


def test_the_card_says_what_was_measured_and_what_was_not(home: Path) -> None:
    card = (home / "bundles" / "folded" / "MODEL_CARD.md").read_text()
    for words in ("3 networks", "held-out images: 147 images of 147 lesions", "which these images cannot measure"):
        assert words in card
    assert "the test set" not in card


def test_evaluate_reproduces_the_numbers_and_refit_the_bundle(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(home / "bundles" / "folded", tmp_path / "folded"))
    made = open_bundle(folder).manifest
    assert main(["evaluate", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert_printed(printed, made.metrics.overall)
    assert main(["refit", str(folder)]) == 0
    again = open_bundle(folder).manifest
    assert again.temperature == pytest.approx(made.temperature, rel=1e-3)
    assert_same_counts(again.metrics.confusion, made.metrics.confusion)


def test_a_fold_that_does_not_exist_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in ("0", "4"):
        assert main(["fold", str(home / "folded.toml"), number]) == 1
        assert f"folded has no fold {number}; data.folds is 3" in capsys.readouterr().err


@pytest.mark.parametrize(("change", "cause"), [
    (("folds = 3", "folds = 3\nfractions = [0.7, 0.15, 0.15]"), "either fractions or folds"),
    (("folds = 3", "folds = 2"), "data.folds: Input should be greater than or equal to 3"),
    (('split = "lesion"', 'split = "image"'), "folds need split"),
    (("folds = 3", "fractions = [0.7, 0.15, 0.15]"), "only with folds may a stage have its own images"),
])  # fmt: skip
def test_what_does_not_fit_together_is_refused(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str], cause: str
) -> None:
    (tmp_path / "wrong.toml").write_text(FOLDED.replace(*change))
    assert main(["run", str(tmp_path / "wrong.toml")]) == 1
    assert cause in capsys.readouterr().err
