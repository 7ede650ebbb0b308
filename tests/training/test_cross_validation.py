"""A whole run with folds on drawn lesions: pretrain once, one network a fold, one graph, numbers of held-out images."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from inference.bundle import open_bundle
from inference.taxonomy import CLASSES
from tests.training.drawn_run import CONFIG
from training.__main__ import main
from training.checkpoint import Checkpoints

SMALL = CONFIG[: CONFIG.index("[warm_up]")]
FOLDED = (
    SMALL.replace("fractions = [0.70, 0.15, 0.15]", "folds = 3\nper_class = 21")
    .replace('name = "drawn"', 'name = "folded"')
    .replace('graphs = ["openvino-fp32", "keras"]', 'graphs = ["openvino-fp32"]\nstored_as = "float16"')
    .replace(
        'backbone = "efficientnetv2-b0"\nweights = "random"', 'backbone = "efficientnet-lite2"\nweights = "imagenet"'
    )
    + """
[pretrain]
name = "other drawn lesions"
citation = "Somebody."
licence = "none"
labels = "labels.csv"
images = ["HAM10000_images_part_1"]
size = 32
layers = 20
batch_norm = 20
epochs = 1
learning_rate = 1e-3
patience = 9

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


@pytest.fixture(scope="module")
def home(kaggle_layout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One fold trained beforehand on its own, then the whole run."""
    root, data = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("data")
    shutil.copytree(kaggle_layout, data, dirs_exist_ok=True)
    rows = [
        f"{path.stem},{CLASSES[i % 7].upper()}"
        for i, path in enumerate(sorted((data / "HAM10000_images_part_1").glob("*.jpg")))
    ]
    (data / "labels.csv").write_text("\n".join(["image_id,label", *rows]))
    (root / "folded.toml").write_text(FOLDED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUNAR_HOME", str(root))
        patch.setenv("LUNAR_DATA", str(data))
        assert main(["fold", str(root / "folded.toml"), "2"]) == 0
        (early,) = (root / "runs").glob("folded-*/fold-2")
        before = {path.name: path.stat().st_mtime_ns for path in early.iterdir()}
        assert main(["run", str(root / "folded.toml")]) == 0
        assert {path.name: path.stat().st_mtime_ns for path in early.iterdir()} == before, "trained twice"
        yield root


def test_every_fold_has_its_network_and_the_pretraining_is_shared(home: Path) -> None:
    (run,) = (home / "runs").iterdir()
    assert len(list((home / "pretrained").iterdir())) == 1
    stages = {path.name for path in (run / "fold-1").iterdir()}
    assert stages == {f"{stage}-{kind}.npz" for stage in ("fine_tune", "finish") for kind in ("latest", "best")}
    kernels = [
        np.concatenate([each.ravel() for each in Checkpoints(run / f"fold-{n}").best("finish")]) for n in (1, 2, 3)
    ]
    assert (kernels[0] != kernels[1]).any()
    assert (kernels[1] != kernels[2]).any()


def test_the_bundle_is_one_graph_of_three_networks(home: Path) -> None:
    manifest = open_bundle(home / "bundles" / "folded").manifest
    assert manifest.head_shape == (3 * 1280, 7)
    assert manifest.metrics.images == sum(manifest.data.images.values()) == 147
    assert set(manifest.data.images) == {"fold 1", "fold 2", "fold 3"}
    assert "Somebody." in manifest.data.pretraining
    assert open_bundle(home / "bundles" / "folded").novelty.components.shape == (126, 3 * 1280)


def test_the_card_says_what_was_measured_and_what_was_not(home: Path) -> None:
    card = (home / "bundles" / "folded" / "MODEL_CARD.md").read_text()
    for words in ("3 networks", "held-out images: 147 images of 147 lesions", "which these images cannot measure"):
        assert words in card
    assert "test part" not in card


def test_evaluate_reproduces_the_numbers_and_refit_the_bundle(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(home / "bundles" / "folded", tmp_path / "folded"))
    made = open_bundle(folder).manifest
    assert main(["evaluate", str(folder)]) == 0
    printed = capsys.readouterr().out
    for name, each in made.metrics.overall.items():
        assert f"{name:24} {each.value:.3f} [{each.low:.3f}, {each.high:.3f}]" in printed
    assert main(["refit", str(folder)]) == 0
    again = open_bundle(folder).manifest
    assert again.temperature == pytest.approx(made.temperature, rel=1e-3)
    assert again.metrics.confusion == made.metrics.confusion


def test_a_fold_that_there_is_not_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in ("0", "4"):
        assert main(["fold", str(home / "folded.toml"), number]) == 1
        assert f"folded has no fold {number}; data.folds is 3" in capsys.readouterr().err


@pytest.mark.parametrize(("change", "cause"), [
    (("folds = 3", "folds = 3\nfractions = [0.7, 0.15, 0.15]"), "either fractions or folds"),
    (("folds = 3", "folds = 2"), "data.folds: Input should be greater than or equal to 3"),
    (('split = "lesion"', 'split = "image"'), "folds are made by lesion"),
    (("folds = 3", "fractions = [0.7, 0.15, 0.15]"), "only with folds may a stage have images of its own"),
])  # fmt: skip
def test_what_does_not_fit_together_is_refused(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str], cause: str
) -> None:
    (tmp_path / "wrong.toml").write_text(FOLDED.replace(*change))
    assert main(["run", str(tmp_path / "wrong.toml")]) == 1
    assert cause in capsys.readouterr().err
