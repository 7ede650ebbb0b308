"""The JSON of /predict and /explain: the same fields, whatever is known."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from lunar_client import replies

from inference.bundle.storage import Bundle
from tests.support.lesion_images import lesion

OPEN = Callable[..., TestClient]


@pytest.fixture
def without_a_registry(open_client: OPEN, fake_bundle: Bundle, tmp_path: Path) -> TestClient:
    """The fallback bundle serves: it has no alias, no reliability curve and no prediction sets."""
    return open_client(home=tmp_path, fallback_bundle=fake_bundle.path)


def test_what_is_not_known_is_null_in_both_answers(without_a_registry: TestClient) -> None:
    predicted = without_a_registry.post("/predict", content=lesion()).json()
    explained = without_a_registry.post("/explain", content=lesion()).json()
    assert (predicted["model"]["alias"], predicted["prediction_set"]) == (None, None)
    for name in predicted.keys() - {"request_id"}:
        assert explained[name] == pytest.approx(predicted[name]), name


def test_the_client_reads_an_explanation_of_the_fallback_bundle(without_a_registry: TestClient) -> None:
    answer = without_a_registry.post("/explain", content=lesion())
    assert replies.ExplainReply.model_validate(answer.json()).model.alias is None


def test_an_explanation_has_the_pictures_that_were_asked_for(without_a_registry: TestClient) -> None:
    for render, kinds in (("heatmap", {"heatmap"}), ("overlay", {"overlay"}), ("both", {"heatmap", "overlay"})):
        (explained,) = without_a_registry.post("/explain", content=lesion(), params={"render": render}).json()[
            "explanations"
        ]
        assert explained.keys() & {"heatmap", "overlay"} == kinds
