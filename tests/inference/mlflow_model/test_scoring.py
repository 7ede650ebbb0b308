"""Table cells: which are decoded as base64, and that checking one takes linear time."""

import json
import subprocess
import sys
from base64 import b64encode

import pytest

from inference.imaging.errors import UnreadableImage
from inference.mlflow_model.scoring import read_cell
from tests.support.lesion_images import lesion
from tests.support.paths import ROOT
from tests.support.waiting import LIMIT_S

IMAGE = lesion()
TEXT = b64encode(IMAGE)


@pytest.mark.parametrize(
    "cell",
    [IMAGE, TEXT, TEXT.decode(), TEXT + b"\n", TEXT[:76] + b"\n" + TEXT[76:]],
    ids=["bytes", "base64", "text", "a line", "two lines"],
)
def test_an_image_is_read(cell: object) -> None:
    assert read_cell(cell) == IMAGE


@pytest.mark.parametrize("cell", [None, 3, [], {"a": 1}])
def test_what_is_no_image_is_refused(cell: object) -> None:
    with pytest.raises(UnreadableImage):
        read_cell(cell)


def test_long_texts_are_read_once() -> None:
    """Read quadratically, the first would take hours. In a process of its own, because nothing interrupts a pattern."""
    cells = [" " * 1_000_000 + "!", "A" * 1_000_000 + "!", "=" * 1_000_000, ("A" * 10 + " ") * 100_000 + "="]
    script = "import json, sys; from inference.mlflow_model.scoring import read_cell;"
    script += "print([len(read_cell(cell)) for cell in json.load(sys.stdin)])"
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, cwd=ROOT, input=json.dumps(cells), capture_output=True, text=True, timeout=LIMIT_S, check=True
    )
    assert json.loads(done.stdout) == [1_000_001, 1_000_001, 1_000_000, 750_000], "only the last is base64"
