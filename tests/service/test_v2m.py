"""EfficientNetV2M at 480 x 480, the product's reference model, all the way with random weights."""

import shutil

import numpy as np
import pytest

import tests.support.needs_tensorflow  # noqa: F401  without it this module is skipped
from inference.bundle.storage import Bundle
from inference.domain.probability import softmax
from inference.domain.taxonomy import CLASSES
from inference.registry.mlflow_registry import Registry
from inference.runtimes import open_runtime
from tests.support import http
from tests.support.lesion_images import lesion
from tests.support.replies import check_explanation, post_image
from tests.support.service_process import running_service
from training.bundling.export import export
from training.config import Config
from training.data.synthetic_lesions import draw_squares
from training.networks.network import Network


@pytest.fixture(scope="module")
def v2m(v2m_network: tuple[Config, Network], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The network as a bundle with both graphs; export compares each with the network."""
    config, network = v2m_network
    return export(network, tmp_path_factory.mktemp("v2m") / "bundle", config=config, evaluation=None)


def test_v2m_on_both_runtimes(v2m: Bundle) -> None:
    assert v2m.manifest.feature_shape == (15, 15, 1280)
    images = draw_squares(size=480, count=3)
    found = {}
    for name in ("openvino", "tensorflow"):
        runtime = open_runtime(v2m, name=name)
        together = runtime.run(images)
        alone = [runtime.run(image[np.newaxis]) for image in images]
        assert np.abs(softmax(together.logits) - softmax(np.concatenate([one.logits for one in alone]))).max() < 1e-4
        assert np.ptp(together.logits, axis=0).max() > 0  # three different images, three different answers
        found[name] = together
    one, other = found["openvino"], found["tensorflow"]
    assert np.abs(softmax(one.logits) - softmax(other.logits)).max() < 1e-4
    assert np.abs(one.features - other.features).max() < 1e-3 * np.abs(other.features).max()


def test_v2m_from_the_registry_over_http(v2m: Bundle, registry: Registry) -> None:
    registry.publish(v2m, alias="champion", source="test")
    shutil.rmtree(v2m.path / "graphs")  # what is served comes out of the registry
    with running_service(registry.home) as address:
        answer = post_image(address, "/predict?lang=en", lesion(width=600, height=450))
        assert answer["model"]["backbone"] == "efficientnetv2-m"
        assert answer["model"]["input_size"] == 480
        assert "untrained_model" in [each["code"] for each in answer["warnings"]]
        explained = post_image(address, "/explain?target=mel", lesion(width=600, height=450))
        check_explanation(explained, width=600, height=450)
        assert explained["explanations"][0]["class"] == "mel"
        assert list(explained["probabilities"]) == list(CLASSES)
        assert explained["field_of_view"] == {"x": 0, "y": 0, "width": 600, "height": 450}
        assert http.get(f"{address}/model").json()["runtime"] == "openvino"
