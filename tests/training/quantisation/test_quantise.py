"""Int8 graphs made by the real NNCF: their content, their entries in the bundle, and serving them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from inference.bundle.storage import Bundle, open_bundle
from inference.registry.mlflow_registry import Registry
from inference.runtimes import open_runtime
from inference.runtimes.cpu_features import sums_int8_exactly
from inference.settings import RegistrySettings
from tests.support import http
from tests.support.configs import config_of
from tests.support.service_process import running_service
from training.__main__ import main
from training.bundling.export import export
from training.data.synthetic_lesions import draw_lesion, draw_squares
from training.networks.network import build
from training.quantisation import quantise
from training.quantisation.calibration_set import collect_calibration_data

pytestmark = pytest.mark.numeric


def test_a_real_int8_graph_passes_the_gate_and_says_what_it_is_worth(made: Bundle, quantised: Bundle) -> None:
    manifest = quantised.manifest
    found = manifest.quantisation
    assert found.gated
    assert found.comparison.source == "validation images"
    assert found.comparison.images == made.manifest.data.images["validation"]
    assert found.calibration == f"{made.manifest.data.images['train']} training images"
    assert found.comparison.graphs["openvino-fp32"].balanced_accuracy == 1, "the classes are not well separated"
    assert found.comparison.same_class == 1
    # Unrelated maps of 2 x 2 cells of 42 images have 0 in the mean, give or take 0.09.
    assert found.comparison.heat_maps.rank_correlation > 0.5
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
        model = http.get(f"{address}/model").json()
        expected = precision if precision != "auto" else "int8" if sums_int8_exactly() else "fp32"
        assert (model["precision"], model["graph"]) == (expected, f"openvino-{expected}")
        why = "passed its gate" if sums_int8_exactly() else "no int8 dot product instructions (VNNI)"
        assert (why if precision == "auto" else f"{precision} was requested") in model["reason"]
        assert model["manifest"]["quantisation"]["gated"] is True
        answer = http.post(f"{address}/predict", content=_png(image), headers={"content-type": "image/png"}).json()
        assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert model["reason"] in (home / "service.log").read_text()


def _png(rgb: np.ndarray) -> bytes:
    from inference.explainers.heatmap import png

    return png(rgb)


def test_ungated_is_for_untrained_networks_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = config_of(size=64)
    plain = export(build(config.model), tmp_path / "bundle", config=config, evaluation=None)
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


def test_the_second_way_keeps_depthwise_convolutions_in_fp32(made: Bundle, separable: Path, tmp_path: Path) -> None:
    load = collect_calibration_data(made, separable, ungated=False)
    few = replace(load, images=load.images[:4])
    counts = []
    for number, (_, make) in enumerate(quantise._ways(made, few)):
        make(tmp_path / f"{number}.xml")
        counts.append(_quantised_operations(ov.Core().read_model(tmp_path / f"{number}.xml")))
    assert 0 < counts[1] < counts[0]


def _quantised_operations(graph: ov.Model) -> int:
    return sum(node.get_type_name() == "FakeQuantize" for node in graph.get_ops())


def test_the_manifest_on_disk_has_the_new_key_only_where_there_is_int8(made: Bundle, quantised: Bundle) -> None:
    for bundle, there in ((made, False), (quantised, True)):
        assert ("quantisation" in json.loads((bundle.path / "manifest.json").read_text())) is there
