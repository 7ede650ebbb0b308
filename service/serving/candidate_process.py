"""python -m service.serving.candidate_process BUNDLE: load a bundle, warm it up and replay its golden cases.

What it compiles is kept, so that the service itself, which has no such limits, reads it. Prints what came of it as one
JSON object, {"error": the name of the exception or null, "message": its text}.
"""

import argparse
import json
import math
import os
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import get_args

from inference.bundle.storage import InvalidBundle, open_bundle
from inference.domain.graph_names import RequestedPrecision
from inference.prediction.classifier import Classifier
from inference.runtimes import RUNTIMES, GoldenMismatch, RuntimeUnavailable

VERDICTS: dict[str, type[Exception]] = {
    kind.__name__: kind for kind in (InvalidBundle, GoldenMismatch, RuntimeUnavailable)
}
NICE = 5  # requests come first


def main() -> None:
    """Runs in the service's child process, under its limits."""
    parser = argparse.ArgumentParser(prog="python -m service.serving.candidate_process", description=__doc__)
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    parser.add_argument("--runtime", choices=("auto", *RUNTIMES), default="auto")
    parser.add_argument("--precision", choices=get_args(RequestedPrecision), default="auto")
    parser.add_argument("--compiled", type=Path, metavar="FOLDER", help="keep compiled graphs here")
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()
    signal.alarm(math.ceil(options.seconds))  # ends this process even if the service was killed and watches no more
    os.nice(NICE)
    with suppress(OSError):  # a kernel that lacks memory ends this process, not the service; some do not permit it
        Path("/proc/self/oom_score_adj").write_text("1000")
    try:
        bundle = replace(open_bundle(options.bundle), compiled=options.compiled)
        Classifier.open(bundle, runtime=options.runtime, precision=options.precision)
    except tuple(VERDICTS.values()) as error:
        print(json.dumps({"error": type(error).__name__, "message": str(error)}))
        return
    print(json.dumps({"error": None, "message": ""}))


if __name__ == "__main__":
    main()
