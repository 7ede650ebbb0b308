"""What is prepared of an image holds no more memory than it shows."""

import pytest

from inference.imaging.prepared_picture import Preparation, prepare_picture
from inference.imaging.preprocessing import Preprocessing
from tests.support.hostile_files import png_rgba


@pytest.mark.parametrize(("side", "shape"), [(0, (0, 0, 3)), (50, (38, 50, 3))])
def test_the_whole_picture_is_not_kept(side: int, shape: tuple[int, ...]) -> None:
    prepared = prepare_picture(png_rgba(400, 300), Preparation(Preprocessing(size=32, fit="center-crop"), side=side))
    assert prepared.canvas.shape == shape
    held = prepared.canvas if prepared.canvas.base is None else prepared.canvas.base
    assert held.nbytes == prepared.canvas.nbytes
