"""From an image file to all that the model and the heat maps need of it. The service does this in other processes."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.imaging.decoding import MAX_PIXELS, Picture, decode
from inference.imaging.dicom_origin import DicomOrigin
from inference.imaging.image_quality import QualityWarning, find_quality_warnings
from inference.imaging.preprocessing import Box, Preprocessing, allowed_reduction, field_of_view, fit, reduced_size


@dataclass(frozen=True, slots=True)
class Preparation:
    """What is needed of an image.

    side: longest side in pixels of the picture on which heat maps are drawn; 0 if there will be none.
    """

    spec: Preprocessing
    side: int
    max_pixels: int = MAX_PIXELS


@dataclass(frozen=True, slots=True)
class PreparedPicture:
    """What is needed of an image, and no more, so that a waiting request needs little memory.

    square: the model's input, uint8 [size, size, 3]. canvas: the upright picture, uint8 [h, w, 3], its longest side as
    requested; [0, 0, 3] if none was. `width`, `height` and `field_of_view` are pixels of the upright image in the file.
    `quality_warnings` describe the square.
    """

    square: NDArray[np.uint8]
    canvas: NDArray[np.uint8]
    width: int
    height: int
    field_of_view: Box
    more_frames: bool
    quality_warnings: tuple[QualityWarning, ...]
    origin: DicomOrigin | None = None


def prepare_picture(data: bytes, preparation: Preparation) -> PreparedPicture:
    """Decode an image file, fit it and reduce it. Raises ImageError."""
    spec, side = preparation.spec, preparation.side
    picture = decode(data, max_pixels=preparation.max_pixels, reduction=allowed_reduction(spec, side=side))
    square = fit(picture.rgb, spec)
    return PreparedPicture(
        square=square,
        canvas=_draw_canvas(picture, side),
        width=picture.width,
        height=picture.height,
        field_of_view=field_of_view(width=picture.width, height=picture.height, spec=spec),
        more_frames=picture.more_frames,
        quality_warnings=find_quality_warnings(square),
        origin=picture.origin,
    )


def _draw_canvas(picture: Picture, side: int) -> NDArray[np.uint8]:
    if not side:
        return np.empty((0, 0, 3), np.uint8)  # a slice of the picture would keep all of it in memory
    size = reduced_size(width=picture.width, height=picture.height, side=side)
    if picture.rgb.shape[1::-1] == size:
        return picture.rgb
    return np.asarray(cv2.resize(picture.rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
