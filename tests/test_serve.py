"""The README's first command, with the Python that runs the tests."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import http
from tests.support.paths import ROOT
from tests.support.processes import free_port, wait_until_up
from tests.support.waiting import LIMIT_S


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """`make serve` with an empty home, from ready to interrupted; yields its address."""
    port = free_port()
    environment = os.environ | {"LUNAR_HOME": str(tmp_path / "home"), "LUNAR_PORT": str(port)}
    log = tmp_path / "make.log"
    with log.open("wb") as output:
        # A session of its own: Ctrl+C in a terminal reaches make and the service alike.
        process = subprocess.Popen(
            ["make", "serve", f"VENV={sys.prefix}"],
            cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
        try:
            wait_until_up(f"http://127.0.0.1:{port}/health/ready", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(timeout=LIMIT_S)


def test_make_serve_answers_about_a_drawn_lesion(served: str, tmp_path: Path) -> None:
    """As the README goes on: the lesion is drawn by the same interpreter, in a process of its own."""
    lesion = tmp_path / "lesion.png"
    subprocess.run([sys.executable, "-m", "training.drawn", str(lesion)], cwd=ROOT, check=True)
    answer = http.post(f"{served}/predict?lang=en", files={"file": lesion.read_bytes()})
    assert answer.status_code == 200, answer.text
    assert answer.json()["model"]["alias"] == "champion"
    assert sum(answer.json()["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    assert http.get(served, timeout=LIMIT_S).status_code == 200
