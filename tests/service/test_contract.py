"""The running service keeps what its OpenAPI document promises: schemathesis, every check on (schemathesis.toml)."""

import subprocess
import sys
from pathlib import Path

from tests.running import ROOT


def test_the_openapi_document_is_true(starter_service: str, tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"{starter_service}/openapi.json",
        "-n",
        "20",
    ]
    command += ["--phases", "examples,coverage,fuzzing,stateful", "--seed", "1", "--no-color"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-6000:]
    assert "passed" in done.stdout
