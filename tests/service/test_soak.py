"""A minute at twice the capacity, with rubbish and clients that leave: right answers or 503, and nothing grows."""

import json
import os
import subprocess
import sys

from tests.running import ROOT

SECONDS = os.environ.get("LUNAR_SOAK_S", "60")


def test_a_minute_of_twice_the_capacity() -> None:
    """The soak exits with 1 for any other 5xx and for memory, threads or handles that grew; it measures times."""
    command = [sys.executable, "-m", "benchmarks.soak", "--seconds", SECONDS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["statuses"]["good 200"] > 0
    assert report["statuses"]["good 503"] > 0, "it was no overload"
    assert {status.split()[1] for status in report["statuses"]} <= {"200", "400", "413", "415", "422", "503"}
