"""Which code a run says it came from."""

import subprocess

import pytest

from tests.running import ROOT
from training.tracking import _commit


def test_a_run_names_the_commit_of_its_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("LUNAR_COMMIT", raising=False)
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert _commit() == head


@pytest.mark.parametrize(("built", "expected"), [("0123abc", "0123abc"), ("", "unknown")])
def test_in_an_image_there_is_no_git(built: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its commit is built in, or not known; that is no reason to lose a run that took hours."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("LUNAR_COMMIT", built)
    assert _commit() == expected
