"""The siege in short: its rates mean nothing, but nobody who is good is refused, and nothing accepted is lost."""

import json
import subprocess
import sys

from tests.support.paths import ROOT
from tests.support.waiting import LIMIT_S


def test_good_clients_are_answered_and_nothing_is_lost_at_the_end() -> None:
    command = [sys.executable, "-m", "benchmarks.siege", "--seconds", "1", "--rounds", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode in (0, 1) and done.stdout, done.stderr
    found = json.loads(done.stdout)
    assert set(found["statuses"]) == {"200"}
    assert found["sigterm"]["lost"] == 0
    assert found["attackers_got"]["half_open cut"] > 0
