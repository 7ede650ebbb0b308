"""python -m tests.support.held_service GATE: `python -m service`, whose model does nothing before the file GATE exists.

So a test knows for sure that requests wait, and decides when they go on. Loading and verifying are not held up.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.prediction.classifier import Classifier
from inference.runtimes import Outputs
from service.__main__ import main
from tests.support.waiting import wait_for


def hold(gate: Path) -> None:
    """From now on every call of a classifier waits for the file."""
    run = Classifier.run

    def held(self: Classifier, batch: NDArray[np.uint8]) -> Outputs:
        wait_for(gate.exists, f"the file {gate}")
        return run(self, batch)

    Classifier.run = held  # type: ignore[method-assign]


if __name__ == "__main__":
    hold(Path(sys.argv[1]))
    main()
