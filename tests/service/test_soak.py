"""Twice the capacity, with damaged images and clients that disconnect: right answers or 503, and nothing grows."""

import json
import os
import subprocess
import sys

from tests.support.paths import ROOT
from tests.support.waiting import LIMIT_S

SECONDS = os.environ.get("LUNAR_SOAK_S", "20")


def test_twice_the_capacity() -> None:
    """The soak exits with 1 for any other 5xx and for memory, threads or handles that grew; it measures times."""
    command = [sys.executable, "-m", "benchmarks.soak", "--seconds", SECONDS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S + float(SECONDS))
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["statuses"]["good 200"] > 0
    assert report["statuses"]["good 503"] > 0, "it was no overload"
    assert {status.split()[1] for status in report["statuses"]} <= {"200", "400", "413", "415", "422", "503"}
