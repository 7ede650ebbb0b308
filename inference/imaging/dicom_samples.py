"""From the stored samples of a DICOM image to 8 bits: rescale, window, palette, inverted grey."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inference.imaging.errors import UnreadableImage

if TYPE_CHECKING:
    from pydicom import Dataset

_GREY = ("MONOCHROME1", "MONOCHROME2")
_PALETTE = "PALETTE COLOR"
INTERPRETATIONS = (*_GREY, _PALETTE, "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_SEGMENTED = tuple(f"Segmented{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue"))
# What would change the pixels and is not applied.
NOT_APPLIED = ("ModalityLUTSequence", "VOILUTSequence", "VOILUTFunction", "PresentationLUTShape", *_SEGMENTED)


def require_applied(dataset: "Dataset") -> None:
    """Refuse an image that would be shown otherwise than its data set asks. Raises UnreadableImage."""
    if any(each in dataset for each in _SEGMENTED):
        raise UnreadableImage(
            "The DICOM image has a segmented palette, which is not read; accepted: a plain palette.",
            cause="dicom-palette",
        )
    if dataset.PhotometricInterpretation not in _GREY:
        return
    windowed = dataset.get("WindowWidth") not in (None, "")  # a table is then only another way to show it
    if "ModalityLUTSequence" in dataset or ("VOILUTSequence" in dataset and not windowed):
        raise _other_greys("The DICOM image has a lookup table for its greys; accepted: a rescale and a window.")
    if windowed and (dataset.get("VOILUTFunction") or "LINEAR") != "LINEAR":
        raise _other_greys("The window of the DICOM image is not linear; accepted: LINEAR.")
    inverse = dataset.get("PresentationLUTShape") == "INVERSE"
    if inverse and dataset.PhotometricInterpretation != "MONOCHROME1":
        raise _other_greys("The DICOM image has an inverse presentation; accepted: IDENTITY, or MONOCHROME1.")


def _other_greys(message: str) -> UnreadableImage:
    return UnreadableImage(message, cause="dicom-greys")


def to_8_bits(pixels: NDArray[Any], dataset: "Dataset") -> NDArray[np.uint8]:
    """One frame [h, w] or [h, w, 3] of integers -> uint8 [h, w] of brightness or [h, w, 3] of RGB."""
    interpretation = dataset.PhotometricInterpretation
    if pixels.ndim != 2 + (dataset.SamplesPerPixel > 1) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise UnreadableImage("The DICOM image has neither one nor three samples a pixel.", cause="dicom-samples")
    if interpretation == _PALETTE:
        from pydicom.pixels import apply_color_lut

        pixels = apply_color_lut(pixels, dataset)
        return pixels if pixels.dtype == np.uint8 else _scaled(pixels, bits=16)
    bits = int(dataset.BitsStored)
    if interpretation not in _GREY:
        return pixels if pixels.dtype == np.uint8 and bits == 8 else _scaled(pixels, bits=bits)
    signed = bool(dataset.get("PixelRepresentation"))
    lowest = -(1 << bits - 1) if signed else 0
    table = _grey_table(np.arange(lowest, lowest + (1 << bits), dtype=np.float64), dataset)
    if interpretation == "MONOCHROME1":
        table = 255 - table
    return np.asarray(table[np.clip(pixels.astype(np.int32) - lowest, 0, len(table) - 1)], np.uint8)


def _scaled(pixels: NDArray[Any], *, bits: int) -> NDArray[np.uint8]:
    table = np.rint(np.linspace(0, 255, 1 << bits)).astype(np.uint8)
    return np.asarray(table[np.clip(pixels, 0, len(table) - 1)], np.uint8)


def _grey_table(values: NDArray[np.float64], dataset: "Dataset") -> NDArray[np.uint8]:
    """Brightness of every value that can be stored: rescaled, then windowed (PS3.3, C.11.1 and C.11.2.1.2.1).

    Without a window the whole range of values is shown.
    """
    values = values * _number(dataset, "RescaleSlope", 1) + _number(dataset, "RescaleIntercept", 0)
    width, low, high = _number(dataset, "WindowWidth", 0), float(values.min()), float(values.max())
    if width >= 1:
        middle = _number(dataset, "WindowCenter", (low + high) / 2) - 0.5
        low, high = middle - (width - 1) / 2, middle + (width - 1) / 2
    shown = (values - low) / max(high - low, 1e-9)
    return np.rint(np.clip(shown, 0, 1) * 255).astype(np.uint8)


def _number(dataset: "Dataset", keyword: str, default: float) -> float:
    value = dataset.get(keyword)
    if value is None or value == "":
        return default
    number = float(value if isinstance(value, float | int | str) else value[0])
    if not np.isfinite(number):
        raise UnreadableImage(
            "The DICOM image has a rescale or window that is no number.", cause="damaged", name="DICOM"
        )
    return number
