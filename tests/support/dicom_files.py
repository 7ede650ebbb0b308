"""Drawn lesions as DICOM instances, in the ways in which photographs are stored."""

import io
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset, FileMetaDataset, uid
from pydicom.encaps import encapsulate
from pydicom.pixels.processing import convert_color_space

from tests.support.lossless_jpeg import lossless_jpeg
from training.data.synthetic_lesions import draw_lesion

WIDTH, HEIGHT = 60, 44
PATIENT = {"PatientID": "SECRET-ID-4711", "PatientName": "SECRETNAME^Maria", "PatientBirthDate": "19440102"}
STUDY = "1.2.826.0.1.3680043.8.498.1"


def drawing(*, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    return draw_lesion(width=width, height=height, seed=1)


def dicom_file(
    pixels: NDArray[np.integer] | None = None,
    *,
    photometric: str = "RGB",
    syntax: str = uid.ExplicitVRLittleEndian,
    frames: int = 1,
    sop_class: str = uid.DermoscopicPhotographyImageStorage,
    **tags: Any,
) -> bytes:
    """Uncompressed, or compressed by pydicom or Pillow as the transfer syntax says; `tags` replace elements."""
    pixels = drawing() if pixels is None else pixels
    dataset = _described(pixels, photometric, sop_class, frames)
    content = [pixels.tobytes()] * frames
    if syntax == uid.JPEGBaseline8Bit:
        content = [_jpeg(pixels)] * frames
        dataset.PhotometricInterpretation = "YBR_FULL_422" if pixels.ndim == 3 else photometric
    if syntax in (uid.JPEGLossless, uid.JPEGLosslessSV1):
        content = [lossless_jpeg(pixels, bits=tags.get("BitsStored", 8))] * frames
    compressed = syntax in (uid.JPEGBaseline8Bit, uid.JPEGLossless, uid.JPEGLosslessSV1)
    dataset.PixelData = encapsulate(content) if compressed else b"".join(content) + b"\0" * (pixels.nbytes * frames % 2)
    dataset.file_meta.TransferSyntaxUID = uid.UID(syntax) if compressed else uid.ExplicitVRLittleEndian
    if not compressed and syntax in (uid.ImplicitVRLittleEndian, uid.DeflatedExplicitVRLittleEndian):
        dataset.file_meta.TransferSyntaxUID = uid.UID(syntax)
    elif not compressed and syntax != uid.ExplicitVRLittleEndian:
        dataset.compress(syntax, generate_instance_uid=False)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some tests want values that DICOM forbids
        for name, value in tags.items():
            setattr(dataset, name, value)
        dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _described(pixels: NDArray[np.integer], photometric: str, sop_class: str, frames: int) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, f"{STUDY}.1.1"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY, f"{STUDY}.1"
    for name, value in PATIENT.items():
        setattr(dataset, name, value)
    dataset.Modality, dataset.StudyID, dataset.AccessionNumber = "DMS", "7", "SECRET-ACC"
    dataset.StudyDate, dataset.StudyTime, dataset.PatientSex, dataset.ReferringPhysicianName = (
        "20260102",
        "1200",
        "F",
        "",
    )
    dataset.SeriesNumber, dataset.InstanceNumber, dataset.PatientOrientation = 1, 1, ["L", "F"]
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = (3 if pixels.ndim == 3 else 1), photometric
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, int(pixels.dtype.kind == "i")
    if frames > 1:
        dataset.NumberOfFrames = frames
    return dataset


def _jpeg(pixels: NDArray[np.integer]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def planar() -> bytes:
    pixels = drawing()
    stored = np.ascontiguousarray(pixels.transpose(2, 0, 1)).tobytes()
    return dicom_file(pixels, PlanarConfiguration=1, PixelData=stored)


def ybr_full() -> bytes:
    return dicom_file(convert_color_space(drawing(), "RGB", "YBR_FULL"), photometric="YBR_FULL")


def ybr_full_422() -> bytes:
    """Two pixels share their colours: Y Y Cb Cr."""
    ybr = convert_color_space(drawing(), "RGB", "YBR_FULL")
    pairs = ybr.reshape(HEIGHT, WIDTH // 2, 2, 3)
    quads = np.concatenate([pairs[..., 0], pairs[:, :, 0, 1:]], axis=-1)
    return dicom_file(drawing(), PhotometricInterpretation="YBR_FULL_422", PixelData=quads.tobytes())


def palette() -> bytes:
    image = Image.fromarray(drawing()).quantize(256)
    colours = np.zeros((256, 3), np.uint16)
    stored = np.array(image.getpalette(), np.uint16).reshape(-1, 3)
    colours[: len(stored)] = stored * 257
    tables: dict[str, Any] = {
        f"{name}PaletteColorLookupTable{part}": value
        for column, name in enumerate(("Red", "Green", "Blue"))
        for part, value in (("Descriptor", [256, 0, 16]), ("Data", colours[:, column].tobytes()))
    }
    return dicom_file(np.asarray(image), photometric="PALETTE COLOR", **tables)


def grey() -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(drawing()).convert("L"))
