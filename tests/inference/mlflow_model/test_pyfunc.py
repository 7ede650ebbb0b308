"""The MLflow model with a fake runtime in this process; tests/service/api/test_invocations.py uses a real one."""

import base64
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas
import pytest
from mlflow.exceptions import MlflowException
from mlflow.pyfunc.model import PythonModelContext
from numpy.typing import NDArray

from inference.bundle.storage import Bundle
from inference.domain.taxonomy import CLASSES
from inference.explainers.class_maps import ExplanationRequest
from inference.mlflow_model.pyfunc import SkinLesionModel
from inference.mlflow_model.signature import OUTPUTS
from inference.prediction.classifier import Classifier
from inference.runtimes import RUNTIMES, Outputs
from tests.support.fakes import FakeRuntime
from tests.support.lesion_images import lesion
from tests.support.waiting import wait_for

GOOD = lesion()
THREADS = 8


class BusyRuntime(FakeRuntime):
    """Counts calls during which another thread is inside."""

    turn = threading.Lock()
    collisions = 0
    inside: Callable[[], object] = staticmethod(lambda: None)  # what happens while one is in it

    def run(self, batch: NDArray[np.uint8]) -> Outputs:
        if not self.turn.acquire(blocking=False):
            BusyRuntime.collisions += 1
            return super().run(batch)
        try:
            BusyRuntime.inside()
            return super().run(batch)
        finally:
            self.turn.release()


@pytest.fixture
def model(fake_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> SkinLesionModel:
    monkeypatch.setitem(RUNTIMES, "openvino", "tests.inference.mlflow_model.test_pyfunc:BusyRuntime")
    opened = SkinLesionModel()
    opened.load_context(PythonModelContext({"bundle": str(fake_bundle.path)}, None))
    return opened


def score(model: SkinLesionModel, *cells: object, **params: object) -> pandas.DataFrame:
    return model.predict(None, pandas.DataFrame({"image": list(cells)}), params)


def test_one_row_an_image_in_their_order(model: SkinLesionModel, fake_classifier: Classifier) -> None:
    """Three different images: each row belongs to its image."""
    images = [lesion(width=60 + 20 * i) for i in range(3)]
    table = score(model, *images)
    assert list(table.columns) == list(OUTPUTS)
    for row, data in zip(table.to_dict("records"), images, strict=True):
        prepared = fake_classifier.prepare(data)
        expected = fake_classifier.predict(prepared, fake_classifier.run(prepared.batch))
        assert [row[f"probability_{code}"] for code in CLASSES] == pytest.approx(expected.probabilities.tolist())
        assert (row["class"], row["risk"]) == (expected.code, expected.risk)
        assert row["malignant_probability"] == pytest.approx(expected.malignant_probability)
        assert (row["heatmap"], row["error"]) == ("", "")
        assert row["warnings"].split(",") == list(expected.warnings) != []
    assert table["probability_mel"].nunique() == 3


def test_the_heat_map_is_the_classifiers(model: SkinLesionModel, fake_classifier: Classifier) -> None:
    (row,) = score(model, GOOD, heatmap=True, tta=2).to_dict("records")
    prepared = fake_classifier.prepare(GOOD, tta=2)
    expected = fake_classifier.analyse(
        prepared, fake_classifier.run(prepared.batch), ExplanationRequest(render="heatmap")
    )
    assert base64.b64decode(row["heatmap"]) == expected.maps[0].heatmap
    assert row["probability_mel"] == pytest.approx(expected.prediction.probabilities[CLASSES.index("mel")])


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
def test_a_cell_holds_bytes_or_base64(model: SkinLesionModel, format_: str) -> None:
    data = lesion(format_)
    coded = base64.b64encode(data)
    table = score(model, data, bytearray(data), coded, coded.decode(), base64.encodebytes(data), np.bytes_(coded))
    assert table["error"].unique().tolist() == [""]
    assert table["probability_nv"].nunique() == 1


@pytest.mark.parametrize(
    ("cell", "cause"),
    [
        (b"hello", "UnsupportedFormat: "),
        ("aGVsbG8=", "UnsupportedFormat: "),
        ("not base64 ñ \ud800", "UnsupportedFormat: "),
        (b"", "UnsupportedFormat: "),
        (GOOD[:300], "UnreadableImage: "),
        (None, "UnreadableImage: The row has no image."),
        (7, "UnreadableImage: The row has no image."),
    ],
)
def test_a_bad_image_does_not_end_the_job(model: SkinLesionModel, cell: object, cause: str) -> None:
    """Its row holds only the cause, and the other rows have predictions."""
    first, bad, last = score(model, GOOD, cell, GOOD, heatmap=True).to_dict("records")
    assert bad.pop("error").startswith(cause)
    assert {name: value for name, value in bad.items() if value is not None} == dict.fromkeys(
        ("class", "risk", "heatmap", "warnings"), ""
    )
    assert first == last
    assert first["class"] in CLASSES


@pytest.mark.parametrize("params", [{"tta": 3}, {"tta": True}, {"tta": 2.0}, {"tta": None}, {"heatmap": 1}])
def test_a_parameter_that_is_not_allowed_is_named(model: SkinLesionModel, params: dict[str, object]) -> None:
    with pytest.raises(MlflowException, match=f"{next(iter(params))} is .*; allowed: "):
        score(model, GOOD, **params)


def test_no_images_no_rows(model: SkinLesionModel) -> None:
    assert list(score(model).columns) == list(OUTPUTS)
    assert score(model).empty


def test_many_threads_take_turns(model: SkinLesionModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's scoring server calls the model from one thread for each request."""
    prepare, prepared = Classifier.prepare, []

    def noting(*args: object, **options: object) -> object:
        found = prepare(*args, **options)  # type: ignore[arg-type]
        prepared.append(threading.current_thread())
        return found

    def wait_for_all() -> None:
        """The next that every other thread does is to ask for the runtime."""
        wait_for(lambda: len(set(prepared)) == THREADS or BusyRuntime.collisions, "every thread has an image")

    monkeypatch.setattr(Classifier, "prepare", noting)
    monkeypatch.setattr(BusyRuntime, "inside", staticmethod(wait_for_all))
    monkeypatch.setattr(BusyRuntime, "collisions", 0)
    with ThreadPoolExecutor(THREADS) as pool:
        tables = list(pool.map(lambda _: score(model, GOOD, GOOD), range(THREADS)))
    assert all(table.equals(tables[0]) for table in tables)
    assert BusyRuntime.collisions == 0
