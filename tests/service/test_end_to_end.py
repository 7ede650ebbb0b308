"""The real thing: `python -m service` as a process, a sqlite registry, real graphs, HTTP."""

import base64
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import numpy as np
import pytest
from PIL import Image, ImageFilter

from inference.bundle import Bundle, open_bundle
from inference.classifier import Classifier
from inference.registry import Registry
from inference.settings import RegistrySettings
from inference.wording import WARNINGS
from tests.running import ROOT, STARTER, running_service, service_process
from tests.service.conftest import lesion
from training.drawn import draw_lesion
from training.photos import photo_files


def post(address: str, path: str, data: bytes) -> dict:
    response = httpx2.post(f"{address}{path}", files={"file": data}, timeout=60)
    assert response.status_code == 200, response.text
    return response.json()


def codes(answer: dict) -> list[str]:
    return [each["code"] for each in answer["warnings"]]


def check_explanation(answer: dict, *, width: int, height: int) -> None:
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-9)
    (one,) = answer["explanations"]
    heatmap, overlay = (Image.open(io.BytesIO(base64.b64decode(one[name]))) for name in ("heatmap", "overlay"))
    assert (heatmap.mode, overlay.mode) == ("L", "RGB")
    assert heatmap.size == overlay.size == (width, height)
    assert one["peak"] > 0
    assert np.asarray(heatmap).max() >= 250


def test_the_starter_answers_a_drawn_lesion(starter_service: str) -> None:
    answer = post(starter_service, "/explain", lesion(width=600, height=450))
    check_explanation(answer, width=600, height=450)
    assert answer["field_of_view"] == {"x": 75, "y": 0, "width": 450, "height": 450}
    assert answer["model"]["backbone"] == "3 x efficientnet-lite2"
    assert codes(answer) == []  # as README says: no warning is no proof


def test_most_drawings_are_known_for_no_dermoscopy(starter: Bundle) -> None:
    """Nineteen of twenty, as README says."""
    classifier, warned = Classifier.open(starter), 0
    for seed in range(20):
        buffer = io.BytesIO()
        Image.fromarray(draw_lesion(width=600, height=450, seed=seed)).save(buffer, "PNG")
        prepared = classifier.prepare(buffer.getvalue())
        warned += "out_of_distribution" in classifier.predict(prepared, classifier.run(prepared.batch)).warnings
    assert warned == 19


def test_what_is_no_dermoscopy_is_not_answered_silently(starter_service: str) -> None:
    """A photo, a document, a black frame, a tiny and a blurred image; each warning has its words."""
    files = {path.stem: path for path in photo_files()}
    astronaut = Image.open(files["astronaut"])

    def warned(image: Image.Image) -> list[str]:
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        answer = post(starter_service, "/predict?lang=en", buffer.getvalue())
        assert all(each["message"] == WARNINGS[each["code"]]["en"] for each in answer["warnings"])
        return codes(answer)

    assert warned(astronaut) == ["out_of_distribution"]
    assert "out_of_distribution" in warned(Image.open(files["page"]))
    assert warned(Image.new("RGB", (600, 450))) == ["blurred", "dark", "out_of_distribution"]
    assert "low_resolution" in warned(astronaut.resize((40, 40)))
    assert "blurred" in warned(astronaut.filter(ImageFilter.GaussianBlur(12)))


def test_the_service_says_what_the_command_line_says(starter_service: str, tmp_path: Path) -> None:
    path = tmp_path / "lesion.jpg"
    path.write_bytes(lesion(width=300, height=200))
    command = [sys.executable, "-m", "inference", "--bundle", str(STARTER), "--explain", "--lang", "en", str(path)]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    answer = post(starter_service, "/explain?lang=en", path.read_bytes())
    line = json.loads(printed)
    assert line.keys() == answer.keys() - {"request_id"}
    # The same graph on the same machine: equal to the last bit, pictures included.
    assert {key: line[key] for key in line if key != "model"} == {
        key: answer[key] for key in answer if key not in ("model", "request_id")
    }


def test_real_lesions_get_real_answers(starter_service: str, starter: Bundle, real_data: Path) -> None:
    """Whole frames of 600 x 450, as a camera writes them; most are naevi, and most of those are recognised."""
    folder = real_data / "ham10000"
    diagnoses = {
        row.split(",")[1]: row.split(",")[2] for row in (folder / "HAM10000_metadata.csv").read_text().splitlines()
    }
    classifier = Classifier.open(starter)
    hits, naevi = 0, 0
    for path in sorted((folder / "originals_600x450").glob("*.jpg")):
        answer = post(starter_service, "/explain", path.read_bytes())
        check_explanation(answer, width=600, height=450)
        prepared = classifier.prepare(path.read_bytes())
        direct = classifier.predict(prepared, classifier.run(prepared.batch))
        assert list(answer["probabilities"].values()) == pytest.approx(direct.probabilities.tolist(), abs=1e-6)
        if diagnoses[path.stem] == "nv":
            naevi += 1
            hits += answer["prediction"]["class"] == "nv"
    assert naevi > 10
    assert hits > naevi / 2


def test_once_the_port_is_open_there_is_a_model(tmp_path: Path) -> None:
    """A replica that was restarted gets requests before any health check could tell the proxy of it."""
    home = tmp_path / "home"
    Registry(RegistrySettings(home=home)).publish(open_bundle(STARTER), alias="champion", source="test")
    with running_service(home, ready=False) as address:
        post(address, "/predict", lesion())


def test_who_loses_the_port_while_it_starts_says_so(tmp_path: Path) -> None:
    """Two may bind it as long as nobody listens; here the other one is this process."""
    home = tmp_path / "home"
    Registry(RegistrySettings(home=home)).publish(open_bundle(STARTER), alias="champion", source="test")
    with socket.socket() as other, (tmp_path / "log").open("w+b") as log:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", 0))
        environment = os.environ | {"LUNAR_HOME": str(home), "LUNAR_PORT": str(other.getsockname()[1])}
        command = [sys.executable, "-m", "service"]
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log) as process:
            try:
                deadline = time.monotonic() + 60
                while b"Waiting for application startup" not in Path(log.name).read_bytes():
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
                other.listen()
                assert process.wait(timeout=30) == 1
            finally:
                process.kill()
        said = Path(log.name).read_text()
    assert "the port is taken by another process" in said
    assert "Traceback" not in said
    assert "Lunar: http" not in said


def test_ctrl_c_ends_it_without_a_traceback(tmp_path: Path) -> None:
    home = tmp_path / "home"
    Registry(RegistrySettings(home=home)).experiment()
    with service_process(home, ready=False) as (_, process):
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
    assert "Traceback" not in (home / "service.log").read_text()


def test_a_second_start_is_ready_in_ten_seconds(starter_service: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    Registry(RegistrySettings(home=home)).publish(open_bundle(STARTER), alias="champion", source="test")
    with running_service(home):
        pass
    started = time.monotonic()
    with running_service(home, wait_s=10):
        assert time.monotonic() - started < 10


def test_secrets_of_the_registry_stay_in_the_service(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    uri = "http://user:s3cret@127.0.0.1:9"
    with running_service(home, ready=False, tracking_uri=uri, registry_poll_s="1") as address:
        deadline = time.monotonic() + 30
        while "being loaded" in (answer := httpx2.get(f"{address}/health/ready").json()["reason"]):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        said = answer + httpx2.post(f"{address}/predict", content=lesion()).text
    assert "does not answer" in said
    assert "s3cret" not in said + (home / "service.log").read_text()


def test_no_model_yet_is_a_503_that_says_why(tmp_path: Path) -> None:
    home = tmp_path / "home"
    Registry(RegistrySettings(home=home)).experiment()
    with running_service(home, ready=False) as address:
        assert httpx2.get(f"{address}/health/live").status_code == 200
        for path in ("/predict", "/explain"):
            response = httpx2.post(f"{address}{path}", content=lesion())
            assert response.status_code == 503
            assert response.json()["type"] == "urn:lunar:problem:no-model"
            assert "skin-lesion" in response.json()["detail"]
            assert int(response.headers["Retry-After"]) > 0
        assert httpx2.get(f"{address}/model").status_code == 503
