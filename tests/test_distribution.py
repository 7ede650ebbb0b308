"""Tests of one group run in one worker, as `make test` asks pytest-xdist for."""

import re
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT

MODULE = """
import os

import pytest


@pytest.mark.parametrize("number", range(6))
def test_worker(number: int) -> None:
    print("ran in", os.environ["PYTEST_XDIST_WORKER"])
"""
CONFTEST = """
import sys

sys.path.insert(0, {root!r})
pytest_plugins = ["tests.support.schedule"]
"""


def test_a_file_is_never_divided(tmp_path: Path) -> None:
    """Some versions of pytest and pytest-xdist divide groups without a word: session fixtures are then made twice."""
    (tmp_path / "conftest.py").write_text(CONFTEST.format(root=str(ROOT)))
    names = ("test_first.py", "test_second.py", "test_third.py")
    for name in names:
        (tmp_path / name).write_text(MODULE)
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadgroup", "--no-loadscope-reorder", "-v", "."]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    ran = re.findall(r"\[(gw\d)\].* PASSED (\w+\.py)::", run.stdout)
    assert len(ran) == 18
    workers = {name: {worker for worker, file in ran if file == name} for name in names}
    assert all(len(found) == 1 for found in workers.values()), workers
    assert set.union(*workers.values()) == {"gw0", "gw1"}
