"""Reads DICOM instances: photographs of the skin and secondary captures. pydicom is imported when the first arrives."""

import io
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.imaging import dicom_jpeg, dicom_samples, jpeg
from inference.imaging.dicom_origin import UID, DicomOrigin
from inference.imaging.errors import ImageError, UnreadableImage, UnsupportedFormat

if TYPE_CHECKING:
    from pydicom import Dataset

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
SOP_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.77.1.4": "VL Photographic Image",
    "1.2.840.10008.5.1.4.1.1.77.1.7": "Dermoscopic Photography Image",
    _SECONDARY_CAPTURE: "Secondary Capture Image",
    **{f"{_SECONDARY_CAPTURE}.{kind}": "Multi-frame Secondary Capture Image" for kind in (2, 3, 4)},
}
_JPEG = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")
_JPEG_LOSSLESS = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")  # of 8 bits
_JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")
_JPEG_2000 = (
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91",
    *(f"1.2.840.10008.1.2.4.{n}" for n in (201, 202, 203)),
)
_RLE = "1.2.840.10008.1.2.5"
_UNCOMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
# Deflated data sets are refused: their size is not known before they are inflated.
TRANSFER_SYNTAXES = frozenset({*_UNCOMPRESSED, *_JPEG, *_JPEG_LOSSLESS, *_JPEG_LS, *_JPEG_2000, _RLE})
_PIXELS = (
    *("SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "Rows", "Columns", "NumberOfFrames"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData", "ExtendedOffsetTable"),
    *("ExtendedOffsetTableLengths", "RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth", "ICCProfile"),
    *(
        f"{colour}PaletteColorLookupTable{part}"
        for colour in ("Red", "Green", "Blue")
        for part in ("Data", "Descriptor")
    ),
)
# What documents about the image repeat, and how many characters of it DICOM allows.
_ORIGIN = {
    "PatientID": 64,
    "PatientName": 194,
    "PatientBirthDate": 8,
    "PatientSex": 1,
    "StudyID": 16,
    "StudyDate": 8,
    "StudyTime": 13,
    "AccessionNumber": 16,
    "ReferringPhysicianName": 194,
    "BurnedInAnnotation": 3,
}
_ONE_AT_A_TIME = threading.Lock()
_UIDS = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")


@dataclass(frozen=True, slots=True)
class DicomPicture:
    """The first frame, and what the data set says of it.

    image: a picture of Pillow in RGB or L with 8 bits, or a file of JPEG that is yet to be decoded.
    """

    image: Image.Image | bytes
    profile: bytes | None
    frames: int
    origin: DicomOrigin | None


def read(data: bytes, check: Callable[[tuple[int, int]], None]) -> DicomPicture:
    """Decode the first frame; `check` refuses a size (width, height) before a pixel is decoded.

    The pixels are taken as they are stored: neither Patient Orientation nor EXIF within a frame turns them.
    Raises UnsupportedFormat, UnreadableImage, and what `check` raises. No message repeats what the file says.
    """
    try:
        with _ONE_AT_A_TIME, warnings.catch_warnings():  # filters are those of the process, not of a thread
            warnings.simplefilter("ignore")  # they quote the data set
            return _read(data, check)
    except ImageError:
        raise
    except _malformed() as error:
        raise UnreadableImage("The DICOM instance is damaged or cut off.", cause="damaged", name="DICOM") from error


def _malformed() -> tuple[type[Exception], ...]:
    """What pydicom 3.0 raises for damaged data sets; its own kinds have no common base."""
    from pydicom.errors import BytesLengthException, InvalidDicomError

    return (
        *(BytesLengthException, InvalidDicomError, ArithmeticError, AssertionError, AttributeError, EOFError),
        *(LookupError, OSError, RuntimeError, SyntaxError, TypeError, ValueError, MemoryError),
    )


def _read(data: bytes, check: Callable[[tuple[int, int]], None]) -> DicomPicture:
    from pydicom import config, dcmread

    config.settings.reading_validation_mode = config.IGNORE
    config.logger.disabled = True
    _require_readable(data)
    tags = [*_PIXELS, *dicom_samples.NOT_APPLIED, *_UIDS, *_ORIGIN]
    dataset = dcmread(io.BytesIO(data), specific_tags=tags)
    _require_known(dataset)
    dicom_samples.require_applied(dataset)
    size = int(dataset.Columns), int(dataset.Rows)
    if min(size) < 1:
        raise UnreadableImage("The DICOM image has no pixels.", cause="damaged", name="DICOM")
    check(size)
    frames = int(dataset.get("NumberOfFrames") or 1)
    profile = dataset.get("ICCProfile")
    return DicomPicture(_image(dataset, frames), bytes(profile) if profile else None, frames, _origin(dataset))


def _require_readable(data: bytes) -> None:
    """Refuse a transfer syntax that is not read, before the data set is: a deflated one would be inflated whole."""
    from pydicom.filereader import read_dataset, read_preamble

    file = io.BytesIO(data)
    read_preamble(file, force=False)
    meta = read_dataset(file, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, *_: tag.group != 2)
    if str(meta.TransferSyntaxUID) not in TRANSFER_SYNTAXES:  # without one the file is damaged
        raise _other_syntax()


def _other_syntax() -> UnreadableImage:
    return UnreadableImage(
        "The transfer syntax of the DICOM instance is not read; accepted: uncompressed, JPEG Baseline, lossless JPEG "
        "with 8 bits, JPEG-LS, JPEG 2000, RLE.",
        cause="dicom-syntax",
    )


def _require_known(dataset: "Dataset") -> None:
    """Refuse what is no photograph, and samples that are not read."""
    if str(dataset.SOPClassUID) not in SOP_CLASSES:  # without one the file is damaged
        known = ", ".join(dict.fromkeys(SOP_CLASSES.values()))
        raise UnsupportedFormat(
            f"The DICOM instance is no photograph. Accepted: {known}.", cause="dicom-kind", accepted=known
        )
    if "PixelData" not in dataset:
        raise UnreadableImage("The DICOM instance has no pixel data.", cause="damaged", name="DICOM")
    if dataset.BitsAllocated not in (8, 16) or dataset.BitsStored > dataset.BitsAllocated:
        raise UnreadableImage("The DICOM image has other samples than 8 and 16 bits.", cause="dicom-samples")
    if dataset.get("HighBit", dataset.BitsStored - 1) != dataset.BitsStored - 1:  # DICOM allows no other (PS3.5, 8.1.1)
        raise UnreadableImage("The DICOM image's samples do not begin at the lowest bit.", cause="dicom-samples")
    if dataset.PhotometricInterpretation not in dicom_samples.INTERPRETATIONS:
        known = ", ".join(dicom_samples.INTERPRETATIONS)
        raise UnreadableImage(
            f"The photometric interpretation of the DICOM image is not read; accepted: {known}.",
            cause="dicom-colours",
            accepted=known,
        )


def _image(dataset: "Dataset", frames: int) -> Image.Image | bytes:
    """The first frame. Colours of JPEG are left to the reader of JPEG files, which reduces large pictures."""
    from pydicom.encaps import get_frame

    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax not in (*_UNCOMPRESSED, _RLE):
        frame = get_frame(dataset.PixelData, 0, number_of_frames=frames)
        if _coded_size(frame, syntax) != (dataset.Columns, dataset.Rows):
            raise UnreadableImage(
                "The compressed picture has another size than the DICOM instance says.", cause="damaged", name="DICOM"
            )
        if syntax in _JPEG and dataset.PhotometricInterpretation in dicom_jpeg.INTERPRETATIONS:
            return dicom_jpeg.name_colours(frame, dataset.PhotometricInterpretation)
        if syntax in _JPEG_LOSSLESS:
            return _lossless(frame, dataset)
    return Image.fromarray(dicom_samples.to_8_bits(_decode(dataset), dataset))


def _lossless(frame: bytes, dataset: "Dataset") -> Image.Image:
    """Raises UnreadableImage for more than 8 bits, which Pillow 13 does not read."""
    if dataset.BitsAllocated != 8:
        raise _other_syntax()
    image = dicom_jpeg.decode_lossless(frame, dataset.PhotometricInterpretation)
    return image if image.mode == "RGB" else Image.fromarray(dicom_samples.to_8_bits(np.asarray(image), dataset))


def _decode(dataset: "Dataset") -> NDArray[Any]:
    """The first frame: [h, w] or [h, w, 3], colours in RGB."""
    from pydicom.pixels.decoders.base import get_decoder

    syntax = dataset.file_meta.TransferSyntaxUID
    # The decoder of run lengths that is not Python's; 3.0 tries its own first.
    plugin = "pylibjpeg" if syntax == _RLE else ""
    pixels, _ = get_decoder(syntax).as_array(dataset, index=0, decoding_plugin=plugin)
    return np.asarray(pixels)


def _coded_size(frame: bytes, syntax: str) -> tuple[int, int] | None:
    """Width and height that the compressed picture itself declares. Raises UnreadableImage for too many scans."""
    if syntax in _JPEG_2000:  # ITU-T T.800, A.5.1: the marker SIZ comes first
        numbers = [int.from_bytes(frame[at : at + 4], "big") for at in range(8, 24, 4)]
        return (numbers[0] - numbers[2], numbers[1] - numbers[3]) if frame.startswith(b"\xff\x4f\xff\x51") else None
    if syntax in (*_JPEG, *_JPEG_LOSSLESS):
        jpeg.read_structure(frame)
    return jpeg.frame_size(frame)


def _origin(dataset: "Dataset") -> DicomOrigin | None:
    """None if the instance has no valid identifiers, so that nothing can refer to it."""
    uids = [str(dataset.get(each, "")) for each in _UIDS]
    if not all(UID.fullmatch(each) for each in uids):
        return None
    texts = {each: _text(dataset, each) for each in _ORIGIN}
    if texts["PatientID"] is None or len(texts["PatientID"]) > _ORIGIN["PatientID"]:
        return None  # a document with a part of it could belong to somebody else
    sop_class, sop_instance, series, study = uids
    return DicomOrigin(
        sop_class=sop_class,
        sop_instance=sop_instance,
        series=series,
        study=study,
        rows=int(dataset.Rows),
        columns=int(dataset.Columns),
        attributes=tuple((name, text) for name, text in texts.items() if text and len(text) <= _ORIGIN[name]),
    )


def _text(dataset: "Dataset", keyword: str) -> str | None:
    """None for several values."""
    from pydicom.multival import MultiValue

    try:
        value = dataset.get(keyword)
        text = "" if value is None else str(value)
    except _malformed():
        return ""  # damaged metadata does not make the pixels unreadable
    if isinstance(value, MultiValue):
        return None
    return "".join(each for each in text if each.isprintable() and each != "\\")
