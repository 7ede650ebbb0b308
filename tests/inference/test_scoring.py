"""Cells of a table: what is taken for base64, and that rubbish is not looked at for long."""

import time
from base64 import b64encode

import pytest

from inference.image import UnreadableImage
from inference.scoring import read_cell
from tests.service.conftest import lesion

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


@pytest.mark.parametrize(
    "cell", [" " * 1_000_000 + "!", "A" * 1_000_000 + "!", "=" * 1_000_000, ("A" * 10 + " ") * 100_000 + "="]
)
def test_a_long_text_is_read_once(cell: str) -> None:
    """It was read quadratically: a minute for 100 kB, with every other request waiting. Here: some milliseconds."""
    began = time.perf_counter()
    read_cell(cell)
    assert time.perf_counter() - began < 2
