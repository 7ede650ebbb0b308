"""An int8 graph by the real NNCF, measured, gated and served; the gate and what follows when it does not open."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import httpx2
import numpy as np
import openvino as ov
import pytest

from inference.bundle import Bundle, open_bundle
from inference.manifest import Comparison, GraphNumbers, HeatMaps
from inference.registry import Registry
from inference.runtimes import GoldenMismatch, Runtime, open_runtime
from inference.runtimes.processor import sums_int8_exactly
from inference.settings import RegistrySettings
from tests.configs import DATA, config_of
from tests.running import running_service
from training import fidelity, quantise
from training.__main__ import main
from training.calibration import gather, sample
from training.dataset import labels_of, prepare_images
from training.drawn import draw_lesion, draw_squares
from training.evaluation import evaluate, read_split
from training.export import export, head_of
from training.fidelity import compare_maps, find_faults
from training.model import build, respond

FOLDERS = ("HAM10000_images_part_1", "HAM10000_images_part_2")
GRAPH = "graphs/openvino-int8.xml"


@pytest.fixture(scope="module")
def coloured(kaggle_layout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn lesions, each under the colour of its class: on 42 images a gate of half a point allows no error."""
    root = Path(shutil.copytree(kaggle_layout, tmp_path_factory.mktemp("coloured") / "data"))
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [0, 255, 255], [255, 0, 255], [0, 0, 0]])
    for path in root.rglob("*.jpg"):
        mixed = 0.4 * cv2.imread(str(path)) + 0.6 * colours[int(path.stem[-7:]) % 7]
        cv2.imwrite(str(path), mixed.astype(np.uint8))
    return root


@pytest.fixture(scope="module")
def made(coloured: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Lite2 with ImageNet's weights and a head by ridge regression: trained in one pass, and sure of itself."""
    data = DATA.model_copy(update={"metadata": "HAM10000_metadata.csv", "images": FOLDERS})
    config = config_of(size=64, data=data)
    network, split = build(config.model), read_split(config, coloured)
    spec = config.model.preprocessing
    x = respond(network, prepare_images(split.train, spec)).pooled
    y = np.eye(7)[labels_of(split.train)] - 1 / 7
    middle = x.mean(axis=0)
    w = np.linalg.solve((x - middle).T @ (x - middle) + 1000 * np.eye(x.shape[1]), (x - middle).T @ y)
    network.head.set_weights([w.astype(np.float32), (-middle @ w).astype(np.float32)])

    def predict(images: np.ndarray) -> object:
        return respond(network, images)

    findings = evaluate(predict, head=head_of(network), config=config, split=split, command="a test")
    return export(network, tmp_path_factory.mktemp("made") / "bundle", config=config, findings=findings)


@pytest.fixture(scope="module")
def quantised(made: Bundle, coloured: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The same after `python -m training quantise`."""
    folder = Path(shutil.copytree(made.path, tmp_path_factory.mktemp("quantised") / "bundle"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUNAR_DATA", str(coloured))
        # A calibration error of 42 images is mostly chance; the other limits stay.
        patch.setitem(fidelity.LARGEST_LOSS, "calibration_error", 0.1)
        assert main(["quantise", str(folder)]) == 0
    return open_bundle(folder)


@pytest.fixture
def folder(made: Bundle, tmp_path: Path, coloured: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the bundle without int8, beside its data."""
    monkeypatch.setenv("LUNAR_DATA", str(coloured))
    return Path(shutil.copytree(made.path, tmp_path / "bundle"))


def test_a_real_int8_graph_passes_the_gate_and_says_what_it_is_worth(made: Bundle, quantised: Bundle) -> None:
    manifest = quantised.manifest
    found = manifest.quantisation
    assert found.gated
    assert found.comparison.source == "validation images"
    assert found.comparison.images == made.manifest.data.images["validation"]
    assert found.calibration == f"{made.manifest.data.images['train']} training images"
    assert found.comparison.graphs["openvino-fp32"].balanced_accuracy > 0.9, "the network has learnt nothing"
    assert found.comparison.heat_maps.rank_correlation > 0.8
    assert found.bytes["openvino-int8"] < found.bytes["openvino-fp32"] / 3
    assert manifest.graphs["openvino-int8"].precision == "int8"
    assert 0.01 <= manifest.graphs["openvino-int8"].tolerance < 0.5
    assert manifest.digest != made.manifest.digest
    assert manifest.metrics == made.manifest.metrics
    card = (quantised.path / "MODEL_CARD.md").read_text()
    for words in ("## The int8 graph", "It passed its gate", "Recall of melanoma", "rank correlation"):
        assert words in card


def test_int8_names_the_outputs_and_keeps_the_head_exact(quantised: Bundle) -> None:
    images = draw_squares(size=64, count=3)
    int8, fp32 = (open_runtime(quantised, name="openvino", precision=each) for each in ("int8", "fp32"))
    one, other = int8.run(images), fp32.run(images)
    head = quantised.head
    assert np.abs(one.features.mean(axis=(1, 2)) @ head.w + head.b - one.logits).max() < 1e-4
    assert one.features.shape == other.features.shape
    assert np.abs(one.features - other.features).max() > 1e-3, "nothing was quantised"


@pytest.mark.parametrize("precision", ["int8", "auto", "fp32"])
def test_it_is_served_in_the_precision_asked_for(quantised: Bundle, home: Path, precision: str) -> None:
    Registry(RegistrySettings(home=home)).publish(quantised, alias="champion", source="test")
    image = draw_lesion(width=120, height=90, seed=3)
    with running_service(home, precision=precision) as address:
        model = httpx2.get(f"{address}/model").json()
        expected = precision if precision != "auto" else "int8" if sums_int8_exactly() else "fp32"
        assert (model["precision"], model["graph"]) == (expected, f"openvino-{expected}")
        assert ("passed its gate" if precision == "auto" else f"{precision} was asked for") in model["reason"]
        assert model["manifest"]["quantisation"]["gated"] is True
        answer = httpx2.post(f"{address}/predict", content=_png(image), headers={"content-type": "image/png"}).json()
        assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert model["reason"] in (home / "service.log").read_text()


def _png(rgb: np.ndarray) -> bytes:
    from inference.heatmap import png

    return png(rgb)


def test_ungated_is_for_untrained_networks_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = config_of(size=64)
    plain = export(build(config.model), tmp_path / "bundle", config=config, findings=None)
    assert main(["quantise", str(plain.path)]) == 1
    assert "is untrained: there is nothing that int8 could lose. Give --ungated." in capsys.readouterr().err
    assert main(["quantise", str(plain.path), "--ungated"]) == 0
    bundle = open_bundle(plain.path)
    assert (bundle.manifest.quantisation.gated, bundle.manifest.quantisation.comparison) == (False, None)
    assert bundle.manifest.quantisation.calibration == "4 drawn lesions"
    assert "**not gated**" in (bundle.path / "MODEL_CARD.md").read_text()
    served = open_runtime(bundle)
    assert served.precision == "fp32"
    assert "passed no gate" in served.reason
    assert open_runtime(bundle, precision="int8").graph == "openvino-int8"


GOOD = GraphNumbers(balanced_accuracy=0.75, melanoma_recall=0.72, macro_auc=0.95, calibration_error=0.02)


def compared(**changes: float) -> Comparison:
    """A comparison in which int8 has these numbers in place of those of fp32."""
    maps = HeatMaps(images=9, rank_correlation=1, rank_correlation_of_95_percent=1, peak_moved=0)
    graphs = {"openvino-fp32": GOOD, "openvino-int8": GOOD.model_copy(update=changes)}
    return Comparison(source="validation images", images=9, graphs=graphs, same_class=1, heat_maps=maps)


@pytest.mark.parametrize(("changes", "fault"), [
    ({}, None),
    ({"balanced_accuracy": 0.745, "melanoma_recall": 0.71, "calibration_error": 0.025}, None),
    ({"balanced_accuracy": 0.80, "melanoma_recall": 0.80, "calibration_error": 0.0, "macro_auc": 0.5}, None),
    ({"balanced_accuracy": 0.7449}, "balanced accuracy goes from 0.7500 to 0.7449"),
    ({"melanoma_recall": 0.709}, "melanoma recall goes from 0.7200 to 0.7090"),
    ({"calibration_error": 0.0252}, "calibration error goes from 0.0200 to 0.0252"),
    ({"melanoma_recall": float("nan")}, "melanoma recall goes from 0.7200 to nan"),
])  # fmt: skip
def test_the_gate(changes: dict[str, float], fault: str | None) -> None:
    comparison = compared().model_copy(
        update={"graphs": {"openvino-fp32": GOOD, "openvino-int8": GOOD.model_copy(update=changes)}}
    )
    faults = find_faults(comparison, missed=0.0)
    assert len(faults) == (fault is not None)
    assert fault is None or faults[0].startswith(fault)


def test_a_graph_far_from_the_golden_cases_does_not_pass() -> None:
    assert find_faults(compared(), missed=0.25) == ()
    assert "golden cases are missed by 0.26" in find_faults(compared(), missed=0.26)[0]


def fake_ways(bundle: Bundle, *names: str) -> Callable[..., object]:
    """Ways to quantise that copy the fp32 graph."""

    def copy(path: Path) -> None:
        for suffix in (".xml", ".bin"):
            shutil.copy(bundle.path / f"graphs/openvino-fp32{suffix}", path.with_suffix(suffix))

    return lambda *_: ((name, copy) for name in names)


def test_what_fails_plainly_is_quantised_more_carefully(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = iter([compared(balanced_accuracy=0.5), compared()])
    monkeypatch.setattr(quantise, "_ways", fake_ways(open_bundle(folder), "plainly", "carefully"))
    monkeypatch.setattr(quantise, "_compare", lambda *_: next(results))
    assert main(["quantise", str(folder)]) == 0
    found = open_bundle(folder).manifest.quantisation
    assert (found.method, found.gated, found.comparison) == ("carefully", True, compared())


def test_what_cannot_even_be_verified_fails_plainly_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle, original = open_bundle(folder), quantise.open_runtime
    outcomes = iter([GoldenMismatch("openvino misses the golden cases by nan")])

    def broken_once(*given: object, **named: object) -> Runtime:
        if error := next(outcomes, None):
            raise error
        return original(*given, **named)

    monkeypatch.setattr(quantise, "_ways", fake_ways(bundle, "plainly", "carefully"))
    monkeypatch.setattr(quantise, "_compare", lambda *_: compared())
    monkeypatch.setattr(quantise, "open_runtime", broken_once)
    assert main(["quantise", str(folder)]) == 0
    assert open_bundle(folder).manifest.quantisation.method == "carefully"


def test_what_fails_twice_leaves_the_bundle_as_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = open_bundle(folder).manifest
    results = iter([compared(balanced_accuracy=0.5), compared(melanoma_recall=0.6, calibration_error=0.1)])
    monkeypatch.setattr(quantise, "_ways", fake_ways(open_bundle(folder), "plainly", "carefully"))
    monkeypatch.setattr(quantise, "_compare", lambda *_: next(results))
    assert main(["quantise", str(folder)]) == 1
    words = capsys.readouterr().err
    for each in ("plainly: balanced accuracy", "carefully: melanoma recall", "calibration error goes", "stays as it"):
        assert each in words
    assert open_bundle(folder).manifest == before
    assert [path.name for path in folder.parent.iterdir()] == ["bundle"]


def test_a_run_goes_on_without_int8(folder: Path, coloured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = open_bundle(folder)
    monkeypatch.setattr(quantise, "_ways", fake_ways(bundle, "plainly"))
    monkeypatch.setattr(quantise, "_compare", lambda *_: compared(balanced_accuracy=0.5))
    asked = config_of(size=64, graphs=("openvino-fp32", "openvino-int8"))
    assert quantise.quantise_if_asked(bundle, asked, data=coloured) is bundle
    monkeypatch.setattr(quantise, "_compare", lambda *_: compared())
    assert quantise.quantise_if_asked(bundle, config_of(size=64), data=coloured) is bundle
    assert "openvino-int8" in quantise.quantise_if_asked(bundle, asked, data=coloured).manifest.graphs


def test_refit_says_when_int8_does_not_pass_any_more(
    quantised: Bundle,
    coloured: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = Path(shutil.copytree(quantised.path, tmp_path / "bundle"))
    monkeypatch.setenv("LUNAR_DATA", str(coloured))
    monkeypatch.setattr(quantise, "_ways", fake_ways(quantised, "plainly"))
    monkeypatch.setattr(quantise, "_compare", lambda *_: compared(balanced_accuracy=0.5))
    assert main(["refit", str(folder)]) == 0
    assert "no int8 graph any more. The int8 graph does not pass the gate" in capsys.readouterr().out
    assert set(open_bundle(folder).manifest.graphs) == {"openvino-fp32"}


def test_the_second_way_keeps_depthwise_convolutions_in_fp32(made: Bundle, coloured: Path, tmp_path: Path) -> None:
    material = gather(made, coloured, ungated=False)
    few = replace(material, images=material.images[:4])
    counts = []
    for number, (_, make) in enumerate(quantise._ways(made, few)):
        make(tmp_path / f"{number}.xml")
        counts.append(_quantised_operations(ov.Core().read_model(tmp_path / f"{number}.xml")))
    assert 0 < counts[1] < counts[0]


def _quantised_operations(graph: ov.Model) -> int:
    return sum(node.get_type_name() == "FakeQuantize" for node in graph.get_ops())


def test_samples_are_stratified_and_repeatable() -> None:
    labels = np.repeat(np.arange(7), [10, 20, 30, 40, 100, 700, 100])
    rows = sample(labels, 100, seed=3)
    assert np.bincount(labels[rows]).tolist() == [1, 2, 3, 4, 10, 70, 10]
    assert (rows == sample(labels, 100, seed=3)).all()
    assert (rows != sample(labels, 100, seed=4)).any()
    assert sample(labels, 5000, seed=3).tolist() == list(range(1000))


def test_maps_are_compared_by_rank_and_peak() -> None:
    one = np.arange(9, dtype=np.float32).reshape(3, 3)
    flat = np.zeros((3, 3), np.float32)
    same = compare_maps([one, one, flat], [one, 2 * one, one])
    assert (same.images, same.rank_correlation, same.peak_moved) == (2, pytest.approx(1), 0)
    lost = compare_maps([one, one], [one, flat])
    assert (lost.images, lost.rank_correlation, lost.peak_moved) == (2, pytest.approx(0.5), 0.5)
    turned = compare_maps([one], [one[::-1, ::-1]])
    assert (turned.rank_correlation, turned.peak_moved) == (pytest.approx(-1), 1)


def test_held_out_images_that_calibrate_are_not_measured_on(starter: Bundle, real_data: Path) -> None:
    material = gather(starter, real_data, ungated=False)
    assert len(material.images) == 300
    assert len(material.evaluation.records) == starter.manifest.metrics.images - 300
    assert material.evaluation.members == 3


def test_the_manifest_on_disk_has_the_new_key_only_where_there_is_int8(made: Bundle, quantised: Bundle) -> None:
    for bundle, there in ((made, False), (quantised, True)):
        assert ("quantisation" in json.loads((bundle.path / "manifest.json").read_text())) is there
