"""The population stability index: its value, its window, and what chance alone makes of it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from inference.bundle.drift_reference import DriftReference, describe_answers
from inference.domain.model_version import ModelVersion
from inference.domain.taxonomy import CLASSES
from inference.prediction.classifier import Prediction
from inference.registry.mlflow_registry import Registry
from service.observability.drift import FEWEST, WINDOW, Drift, stability_index
from service.settings import Settings
from tests.support.fakes import write_fake_bundle
from tests.support.lesion_images import lesion
from tests.support.scrape import Scrape

VERSION, NEXT = (ModelVersion("m", number, "champion", number, "test") for number in "12")


def prediction(code: str, confidence: float = 0.85) -> Prediction:
    probabilities = np.full(len(CLASSES), (1 - confidence) / (len(CLASSES) - 1))
    probabilities[CLASSES.index(code)] = confidence
    return Prediction(probabilities, 0.1, "low", "high", ())


def reference(**predicted: int) -> DriftReference:
    answers = [prediction(code).probabilities for code, count in predicted.items() for _ in range(count)]
    return describe_answers(np.array(answers))


def indices(drift: Drift) -> dict[str, float]:
    index, answers = drift.collect()
    found = {sample.labels["of"]: sample.value for sample in index.samples}
    return found | {"answers": answers.samples[0].value}


def test_the_index_is_that_of_the_textbook() -> None:
    """Shares .5, .3, .2 against .4, .4, .2, from counts so large that half an answer is nothing."""
    expected, found = [5_000_000, 3_000_000, 2_000_000], [4_000_000, 4_000_000, 2_000_000]
    by_hand = (0.4 - 0.5) * np.log(0.4 / 0.5) + (0.4 - 0.3) * np.log(0.4 / 0.3)
    assert stability_index(expected, found) == pytest.approx(by_hand, rel=1e-5)
    assert stability_index(found, expected) == pytest.approx(by_hand, rel=1e-5), "it is symmetric"
    assert stability_index(expected, [each * 3 for each in expected]) == pytest.approx(0, abs=1e-9)


def test_an_empty_bin_does_not_make_it_infinite() -> None:
    one, other = stability_index([800, 0], [100, 0]), stability_index([800, 0], [90, 10])
    assert 0 <= one < 0.05
    assert 0.25 < other < 10


def test_chance_alone_hardly_ever_reaches_the_alert() -> None:
    """Reference and window drawn from the same mix, at the fewest answers: the mix is the starter's test set's."""
    generator = np.random.default_rng(0)
    mixes = ([0.06, 0.05, 0.11, 0.02, 0.10, 0.63, 0.03], [0, 0.01, 0.04, 0.07, 0.10, 0.11, 0.11, 0.12, 0.14, 0.30])
    for mix in mixes:
        drawn = [(generator.multinomial(900, mix), generator.multinomial(FEWEST, mix)) for _ in range(3000)]
        beyond = np.mean([stability_index(q.tolist(), p.tolist()) > 0.25 for q, p in drawn])
        assert beyond < 0.01


def test_there_is_no_index_before_there_are_enough_answers() -> None:
    drift = Drift()
    assert indices(drift) == {"answers": 0}
    drift.follow(VERSION, reference(nv=90, mel=10))
    for _ in range(FEWEST - 1):
        drift.note(VERSION, prediction("nv"))
    assert indices(drift) == {"answers": FEWEST - 1}
    drift.note(VERSION, prediction("nv"))
    found = indices(drift)
    assert found["class"] == pytest.approx(stability_index([0, 0, 0, 0, 10, 90, 0], [0, 0, 0, 0, 0, FEWEST, 0]))
    assert found["confidence"] == pytest.approx(0, abs=1e-9)


def test_without_a_reference_there_is_none() -> None:
    drift = Drift()
    drift.follow(VERSION, None)
    for _ in range(FEWEST):
        drift.note(VERSION, prediction("nv"))
    assert indices(drift) == {"answers": FEWEST}


def test_only_the_last_answers_count() -> None:
    drift = Drift()
    drift.follow(VERSION, reference(nv=100))
    for _ in range(WINDOW):
        drift.note(VERSION, prediction("mel", 0.45))
    assert min(indices(drift)[of] for of in ("class", "confidence")) > 5
    for _ in range(WINDOW):
        drift.note(VERSION, prediction("nv"))
    found = indices(drift)
    assert found["answers"] == WINDOW
    assert max(found["class"], found["confidence"]) < 0.1, "all but the half answers"


def test_another_version_begins_anew_and_late_answers_of_the_one_before_do_not_count() -> None:
    drift = Drift()
    drift.follow(VERSION, reference(nv=100))
    for _ in range(FEWEST):
        drift.note(VERSION, prediction("nv"))
    drift.follow(NEXT, reference(mel=100))
    assert indices(drift) == {"answers": 0}
    drift.note(VERSION, prediction("nv"))
    drift.note(NEXT, prediction("mel"))
    assert indices(drift) == {"answers": 1}


def test_a_service_measures_what_it_answers_against_its_bundle(
    registry: Registry, open_client: Callable[..., TestClient], tmp_path: Path
) -> None:
    """Warm-up and golden cases are no answers; a new version has no index until it has answered enough."""
    registry.publish(write_fake_bundle(tmp_path / "a", reference=reference(nv=100)), alias="champion", source="test")
    client = open_client(**Settings(home=registry.home).model_dump())
    assert Scrape(client)("lunar_drift_answers") == 0
    code = client.post("/predict", content=lesion()).json()["prediction"]["class"]
    assert code != "nv"
    for _ in range(FEWEST - 1):
        client.post("/predict", content=lesion())
    seen = Scrape(client)
    assert seen("lunar_drift_answers") == FEWEST
    assert seen("lunar_drift_index", of="class") > 5
    registry.publish(write_fake_bundle(tmp_path / "b", seed=3), alias="champion", source="test")
    assert client.post("/admin/reload").json()["outcome"] == "swapped"
    assert Scrape(client)("lunar_drift_answers") == 0
    assert not [each for each in Scrape(client).samples if each.name == "lunar_drift_index"]
