"""The running service keeps what its OpenAPI document promises: schemathesis, every check on (schemathesis.toml)."""

import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.waiting import LIMIT_S


def test_the_openapi_document_is_true(starter_service: str, tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"{starter_service}/openapi.json",
        "-n",
        "20",
    ]
    command += ["--phases", "examples,coverage,fuzzing,stateful", "--seed", "1", "--no-color"]
    command += ["--request-timeout", f"{LIMIT_S:g}"]  # the usual 10 s are too few for 100 images on a busy machine
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stdout[-6000:]
    assert "passed" in done.stdout
