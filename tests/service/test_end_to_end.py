"""The real thing: `python -m service` as a process, a sqlite registry, real graphs, HTTP."""

import base64
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from inference.bundle.storage import Bundle
from inference.prediction.classifier import Classifier
from inference.prediction.messages import WARNINGS
from inference.registry.mlflow_registry import Registry
from tests.support import http
from tests.support.homes import copy_home
from tests.support.lesion_images import lesion
from tests.support.paths import ROOT, STARTER
from tests.support.replies import check_explanation, post_image
from tests.support.service_process import PATIENT, running_service, service_process
from tests.support.threshold import out_of_distribution
from tests.support.waiting import LIMIT_S, wait_for
from training.data.ood_photos import photo_files
from training.data.synthetic_lesions import draw_lesion


def codes(answer: dict) -> list[str]:
    return [each["code"] for each in answer["warnings"]]


@pytest.mark.numeric
def test_the_starter_answers_a_drawn_lesion(starter_service: str) -> None:
    answer = post_image(starter_service, "/explain", lesion(width=600, height=450))
    check_explanation(answer, width=600, height=450)
    assert answer["field_of_view"] == {"x": 75, "y": 0, "width": 450, "height": 450}
    assert answer["model"]["backbone"] == "3 x efficientnet-lite2"
    assert codes(answer) == []  # as README says: no warning is no proof


@pytest.mark.numeric
def test_most_drawings_are_known_for_no_dermoscopy(starter: Bundle) -> None:
    """Nineteen of twenty, as README says."""
    classifier, warned, unsure = Classifier.open(starter), 0, 0
    for seed in range(20):
        buffer = io.BytesIO()
        Image.fromarray(draw_lesion(width=600, height=450, seed=seed)).save(buffer, "PNG")
        beyond, close = out_of_distribution(classifier, buffer.getvalue())
        warned, unsure = warned + beyond, unsure + close
    assert abs(warned - 19) <= unsure, "only what is close to the threshold may fall on its other side"
    assert unsure < 3


@pytest.mark.numeric
def test_what_is_no_dermoscopy_is_not_answered_silently(starter_service: str) -> None:
    """A photo, a document, a black frame, a tiny and a blurred image; each warning has its words."""
    files = {path.stem: path for path in photo_files()}
    astronaut = Image.open(files["astronaut"])

    def warned(image: Image.Image) -> list[str]:
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        answer = post_image(starter_service, "/predict?lang=en", buffer.getvalue())
        assert all(each["message"] == WARNINGS[each["code"]]["en"] for each in answer["warnings"])
        return codes(answer)

    assert warned(astronaut) == ["out_of_distribution"]
    assert "out_of_distribution" in warned(Image.open(files["page"]))
    assert warned(Image.new("RGB", (600, 450))) == ["blurred", "dark", "out_of_distribution"]
    assert "low_resolution" in warned(astronaut.resize((40, 40)))
    assert "blurred" in warned(astronaut.filter(ImageFilter.GaussianBlur(12)))


def numbers_of(answer: dict) -> list[float]:
    risk = answer["risk"]["malignant_probability"]
    return [answer["prediction"]["probability"], risk, *answer["probabilities"].values()]


def pixels(encoded: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded)))).astype(int)


@pytest.mark.numeric
def test_the_service_says_what_the_command_line_says(starter_service: str, tmp_path: Path) -> None:
    path = tmp_path / "lesion.jpg"
    path.write_bytes(lesion(width=300, height=200))
    command = [sys.executable, "-m", "inference", "--bundle", str(STARTER), "--explain", "--lang", "en", str(path)]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    answer = post_image(starter_service, "/explain?lang=en", path.read_bytes())
    line = json.loads(printed)
    assert line.keys() == answer.keys() - {"request_id"}
    # The same graph, but in two processes, which may divide the work among other numbers of threads.
    assert numbers_of(line) == pytest.approx(numbers_of(answer), abs=1e-5)
    for said, shown in zip(line["explanations"], answer["explanations"], strict=True):
        for name in ("heatmap", "overlay"):
            one, other = (pixels(each.pop(name)) for each in (said, shown))
            assert np.abs(one - other).max() <= 1, "grey levels"
        assert said.pop("peak") == pytest.approx(shown.pop("peak"), rel=1e-4)
    exact = ("prediction", "risk", "probabilities", "model", "request_id")
    assert {key: line[key] for key in line if key not in exact} == {
        key: answer[key] for key in answer if key not in exact
    }
    for part, name in (("prediction", "class"), ("prediction", "confidence"), ("risk", "level")):
        assert line[part][name] == answer[part][name]


@pytest.mark.numeric
def test_real_lesions_get_real_answers(starter_service: str, starter: Bundle, real_data: Path) -> None:
    """Whole frames of 600 x 450, as a camera writes them; most are naevi, and most of those are recognised."""
    folder = real_data / "ham10000"
    diagnoses = {
        row.split(",")[1]: row.split(",")[2] for row in (folder / "HAM10000_metadata.csv").read_text().splitlines()
    }
    classifier = Classifier.open(starter)
    hits, naevi = 0, 0
    for path in sorted((folder / "originals_600x450").glob("*.jpg")):
        answer = post_image(starter_service, "/explain", path.read_bytes())
        check_explanation(answer, width=600, height=450)
        prepared = classifier.prepare(path.read_bytes())
        direct = classifier.predict(prepared, classifier.run(prepared.batch))
        assert list(answer["probabilities"].values()) == pytest.approx(direct.probabilities.tolist(), abs=1e-5)
        if diagnoses[path.stem] == "nv":
            naevi += 1
            hits += answer["prediction"]["class"] == "nv"
    assert naevi > 10
    assert hits > naevi / 2


def test_once_the_port_is_open_there_is_a_model(starter_home: Path, tmp_path: Path) -> None:
    """A replica that was restarted gets requests before any health check could tell the proxy of it."""
    home = copy_home(starter_home, tmp_path / "home")
    with service_process(home, ready=False, program=PATIENT) as (address, _):
        post_image(address, "/predict", lesion())


def test_who_loses_the_port_while_it_starts_says_so(starter_home: Path, tmp_path: Path) -> None:
    """Two may bind it as long as nobody listens; here the other one is this process."""
    home = copy_home(starter_home, tmp_path / "home")
    with socket.socket() as other, (tmp_path / "log").open("w+b") as log:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", 0))
        environment = os.environ | {"LUNAR_HOME": str(home), "LUNAR_PORT": str(other.getsockname()[1])}
        command = [sys.executable, "-m", "service"]
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log) as process:
            try:
                said = Path(log.name).read_bytes
                wait_for(lambda: b"Waiting for application startup" in said(), "the service has bound the port")
                other.listen()
                assert process.wait(timeout=LIMIT_S) == 1
            finally:
                process.kill()
        printed = Path(log.name).read_text()
    assert "the port is taken by another process" in printed
    assert "Traceback" not in printed
    assert "Lunar: http" not in printed


def test_ctrl_c_ends_it_without_a_traceback(home: Path) -> None:
    with service_process(home, ready=False) as (_, process):
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=LIMIT_S) == 0
    assert "Traceback" not in (home / "service.log").read_text()


def test_a_second_start_downloads_nothing(registry: Registry, starter: Bundle) -> None:
    """How long it takes: benchmarks.startup."""
    home = registry.home
    registry.publish(starter, alias="champion", source="test")
    with running_service(home) as address:
        first = post_image(address, "/predict", lesion())
    shutil.rmtree(home / "artifacts")  # what could be downloaded
    with running_service(home) as address:
        second = post_image(address, "/predict", lesion())
    assert numbers_of(second) == pytest.approx(numbers_of(first), abs=1e-5)
    assert second["model"] == first["model"]


def test_secrets_of_the_registry_stay_in_the_service(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    uri = "http://user:s3cret@127.0.0.1:9"
    with running_service(home, ready=False, tracking_uri=uri, registry_poll_s="1") as address:

        def reason() -> str:
            return str(http.get(f"{address}/health/ready").json()["reason"])

        wait_for(lambda: "being loaded" not in reason(), "it says why there is no model")
        said = reason() + http.post(f"{address}/predict", content=lesion()).text
    assert "does not answer" in said
    assert "s3cret" not in said + (home / "service.log").read_text()


def test_no_model_yet_is_a_503_that_says_why(home: Path) -> None:
    with running_service(home, ready=False) as address:
        assert http.get(f"{address}/health/live").status_code == 200
        for path in ("/predict", "/explain"):
            response = http.post(f"{address}{path}", content=lesion())
            assert response.status_code == 503
            assert response.json()["type"] == "urn:lunar:problem:no-model"
            assert "skin-lesion" in response.json()["detail"]
            assert int(response.headers["Retry-After"]) > 0
        assert http.get(f"{address}/model").status_code == 503
