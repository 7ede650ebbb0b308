"""DICOM instances of every kind that is read decode to the drawing; the others are refused, and no tag is repeated."""

import io
import re
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from pydicom import Dataset, uid
from pydicom.encaps import encapsulate
from pydicom.pixels.processing import convert_color_space

from inference.imaging import file_format
from inference.imaging.decoding import Picture, decode
from inference.imaging.errors import ImageError, ImageTooLarge, UnreadableImage, UnsupportedFormat
from tests.support.dicom_files import (
    HEIGHT,
    PATIENT,
    STUDY,
    WIDTH,
    dicom_file,
    drawing,
    grey,
    palette,
    planar,
    ybr_full,
    ybr_full_422,
)
from tests.support.lossless_jpeg import lossless_jpeg
from tests.support.mutations import dicom_originals, mutations
from tests.support.profiles import ADOBE_RGB, encode_in, rgb_profile

WIDE = drawing().astype(np.uint16) * 257
WIDE_GREY = grey().astype(np.uint16) * 257
YBR = convert_color_space(drawing(), "RGB", "YBR_FULL")
SIGNED = grey().astype(np.int16) * 16 - 2048
RESCALED = {"RescaleSlope": 2, "RescaleIntercept": -100}
# The window's first value is what is stored as 0, its last what is stored as 255.
WINDOW = {"WindowCenter": 155.5, "WindowWidth": 511}
MONO = {"photometric": "MONOCHROME2"}
RAMP = np.resize(np.arange(256, dtype=np.uint8), (HEIGHT, WIDTH))
# PS3.3, C.11.2.1.2.1: a window of width 2 around 100 shows 99 black and 100 white.
NARROW = {"WindowCenter": 100, "WindowWidth": 2}
# name -> the file, what it shows, and by how many grey levels on average it may differ
READ: dict[str, tuple[bytes, NDArray[np.uint8], float]] = {
    "RGB": (dicom_file(), drawing(), 0),
    "implicit VR": (dicom_file(syntax=uid.ImplicitVRLittleEndian), drawing(), 0),
    "planar configuration 1": (planar(), drawing(), 0),
    "16 bits of colour": (dicom_file(WIDE), drawing(), 0),
    "12 of 16 bits": (dicom_file(WIDE >> 4, BitsStored=12, HighBit=11), drawing(), 0.5),
    "YBR_FULL": (ybr_full(), drawing(), 1),
    "YBR_FULL_422": (ybr_full_422(), drawing(), 4),
    "palette": (palette(), drawing(), 4),
    "MONOCHROME2": (dicom_file(grey(), **MONO), grey(), 0),
    "MONOCHROME1": (dicom_file(255 - grey(), photometric="MONOCHROME1"), grey(), 0),
    "16 bits of grey": (dicom_file(WIDE_GREY, **MONO), grey(), 0),
    "signed 12 bits": (dicom_file(SIGNED, BitsStored=12, HighBit=11, **MONO), grey(), 1),
    "a rescale and a window": (dicom_file(grey(), **MONO, **RESCALED, **WINDOW), grey(), 0.6),
    "a narrow window": (dicom_file(RAMP, **MONO, **NARROW), np.where(RAMP < 100, 0, 255).astype(np.uint8), 0),
    "JPEG": (dicom_file(syntax=uid.JPEGBaseline8Bit), drawing(), 4),
    "JPEG of grey": (dicom_file(grey(), syntax=uid.JPEGBaseline8Bit, **MONO), grey(), 2),
    "lossless JPEG": (dicom_file(syntax=uid.JPEGLosslessSV1), drawing(), 0),
    "lossless JPEG, process 14": (dicom_file(syntax=uid.JPEGLossless), drawing(), 0),
    "lossless JPEG of grey": (dicom_file(grey(), syntax=uid.JPEGLosslessSV1, **MONO), grey(), 0),
    "lossless JPEG of YBR_FULL": (dicom_file(YBR, syntax=uid.JPEGLosslessSV1, photometric="YBR_FULL"), drawing(), 1),
    "lossless JPEG, several frames": (dicom_file(syntax=uid.JPEGLosslessSV1, frames=2), drawing(), 0),
    "JPEG-LS": (dicom_file(syntax=uid.JPEGLSLossless), drawing(), 0),
    "JPEG 2000": (dicom_file(syntax=uid.JPEG2000Lossless), drawing(), 0),
    "JPEG 2000 of 16 bits": (dicom_file(WIDE_GREY, syntax=uid.JPEG2000Lossless, **MONO), grey(), 0),
    "RLE": (dicom_file(syntax=uid.RLELossless), drawing(), 0),
    "VL photograph": (dicom_file(sop_class=uid.VLPhotographicImageStorage), drawing(), 0),
    "secondary capture": (dicom_file(sop_class=uid.SecondaryCaptureImageStorage), drawing(), 0),
    "several frames": (dicom_file(frames=3), drawing(), 0),
    "several frames of JPEG": (dicom_file(syntax=uid.JPEGBaseline8Bit, frames=3), drawing(), 4),
}  # fmt: skip
GOOD, CODED = dicom_file(), dicom_file(syntax=uid.JPEGBaseline8Bit)
LOSSLESS = dicom_file(syntax=uid.JPEGLosslessSV1)
REFUSED: dict[str, tuple[bytes, type[ImageError], str]] = {
    "CT": (dicom_file(sop_class=uid.CTImageStorage), UnsupportedFormat, "no photograph. Accepted: VL Photographic"),
    "a deflated data set": (dicom_file(syntax=uid.DeflatedExplicitVRLittleEndian), UnreadableImage, "transfer syntax"),
    "an unknown transfer syntax": (GOOD.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.9.9.9\0"),
                                   UnreadableImage, "transfer syntax"),
    "half a file": (GOOD[: len(GOOD) // 2], UnreadableImage, "damaged"),
    "half a JPEG": (CODED[: len(CODED) - 700], UnreadableImage, "damaged"),
    "half a lossless JPEG": (LOSSLESS[: len(LOSSLESS) - 700], UnreadableImage, "damaged"),
    "lossless JPEG of 12 bits": (dicom_file(WIDE_GREY >> 4, syntax=uid.JPEGLosslessSV1, BitsStored=12, HighBit=11,
                                            **MONO), UnreadableImage, "lossless JPEG with 8 bits"),
    "no pixels": (dicom_file(PixelData=b""), UnreadableImage, "damaged"),
    "too many pixels": (dicom_file(Rows=60_000, Columns=60_000), ImageTooLarge, "60000 x 60000"),
    "no rows": (dicom_file(Rows=0), UnreadableImage, "no pixels"),
    "32 bits": (dicom_file(BitsAllocated=32), UnreadableImage, "8 and 16 bits"),
    "other colours": (dicom_file(PhotometricInterpretation="HSV"), UnreadableImage, "accepted: MONO"),
    "a JPEG of another size": (dicom_file(syntax=uid.JPEGBaseline8Bit, Rows=22), UnreadableImage, "another size"),
    "a table of greys": (dicom_file(grey(), **MONO, VOILUTSequence=[Dataset()]), UnreadableImage, "lookup table"),
    "an inverse presentation": (dicom_file(grey(), **MONO, PresentationLUTShape="INVERSE"), UnreadableImage, "inverse"),
    "a curved window": (dicom_file(grey(), **MONO, **WINDOW, VOILUTFunction="SIGMOID"), UnreadableImage, "not linear"),
    "a segmented palette": (dicom_file(grey(), photometric="PALETTE COLOR",
                                       SegmentedRedPaletteColorLookupTableData=b"\0\0"), UnreadableImage, "segmented"),
    "only the preamble": (bytes(128) + b"DICM", UnreadableImage, "damaged"),
    "samples at the highest bits": (dicom_file(WIDE, BitsStored=12, HighBit=15), UnreadableImage, "lowest bit"),
    "two samples": (dicom_file(SamplesPerPixel=2), UnreadableImage, "DICOM"),
}  # fmt: skip


def rgb(pixels: NDArray[np.uint8]) -> NDArray[np.int32]:
    return (pixels if pixels.ndim == 3 else np.stack([pixels] * 3, axis=-1)).astype(np.int32)


@pytest.mark.parametrize(("data", "shown", "difference"), READ.values(), ids=READ)
def test_it_shows_the_drawing(data: bytes, shown: NDArray[np.uint8], difference: float) -> None:
    assert file_format.identify(data) == "DICOM"
    picture = decode(data)
    assert (picture.width, picture.height) == (WIDTH, HEIGHT)
    assert np.abs(rgb(picture.rgb) - rgb(shown)).mean() <= difference


@pytest.mark.parametrize(("data", "kind", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_says_why_and_names_nobody(data: bytes, kind: type[ImageError], words: str) -> None:
    with pytest.raises(kind, match=words) as refused:
        decode(data)
    assert not any(each in str(refused.value) for each in (*PATIENT.values(), STUDY))


def test_no_thread_lets_a_warning_out(capfd: pytest.CaptureFixture[str]) -> None:
    """pydicom's quote the data set, and Python's filters belong to the process."""
    data = dicom_file(SpecificCharacterSet="SECRETNAME")
    with warnings.catch_warnings(), ThreadPoolExecutor(4) as pool:
        warnings.simplefilter("always")
        filters = list(warnings.filters)
        assert len(list(pool.map(decode, [data] * 40))) == 40
        assert list(warnings.filters) == filters
    assert "SECRETNAME" not in "".join(capfd.readouterr())


def test_a_deflated_data_set_is_not_inflated(monkeypatch: pytest.MonkeyPatch) -> None:
    data = dicom_file(syntax=uid.DeflatedExplicitVRLittleEndian)
    monkeypatch.setattr("zlib.decompress", lambda *_: pytest.fail("it was inflated"))
    with pytest.raises(UnreadableImage, match="transfer syntax"):
        decode(data)


@pytest.mark.parametrize(("photometric", "keep_rgb"), [("RGB", True), ("YBR_FULL_422", False)])
def test_a_jpeg_without_markers_has_the_colours_that_the_data_set_says(photometric: str, keep_rgb: bool) -> None:
    buffer = io.BytesIO()
    Image.fromarray(drawing()).save(buffer, "JPEG", quality=95, keep_rgb=keep_rgb)
    frame = re.sub(rb"\xff(\xe0\x00\x10JFIF.{10}|\xee\x00\x0eAdobe.{7})", b"", buffer.getvalue(), flags=re.DOTALL)
    frame = re.sub(rb"R\x11\x00G\x11\x00B\x11\x00", b"\1\x11\0\2\x11\0\3\x11\0", frame)  # ids of no colour
    frame = re.sub(rb"R\x00G\x00B\x00", b"\1\0\2\0\3\0", frame)
    assert not any(each in frame for each in (b"JFIF", b"Adobe", b"R\x11"))
    data = dicom_file(
        syntax=uid.JPEGBaseline8Bit, PhotometricInterpretation=photometric, PixelData=encapsulate([frame])
    )
    assert np.abs(rgb(decode(data).rgb) - rgb(drawing())).mean() < 5


def test_a_lossless_jpeg_that_lacks_bytes_of_its_pixels_is_refused() -> None:
    """As a file: in an instance, a byte of padding may stand for the last one."""
    frame = lossless_jpeg(drawing())
    assert (decode(frame).rgb == drawing()).all()
    for cut in range(1, 40):
        with pytest.raises(UnreadableImage):
            decode(frame[: -len(b"\xff\xd9") - cut])


def test_a_lossless_jpeg_has_the_colours_that_its_marker_names() -> None:
    """dcmtk writes JFIF, which means YCbCr, for YBR_FULL."""
    jfif = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
    frame = lossless_jpeg(YBR, markers=jfif)
    data = dicom_file(syntax=uid.JPEGLosslessSV1, PhotometricInterpretation="YBR_FULL", PixelData=encapsulate([frame]))
    assert np.abs(rgb(decode(data).rgb) - rgb(drawing())).mean() <= 1


def test_a_jpeg_is_reduced_while_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    drafts: list[object] = []
    monkeypatch.setattr(JpegImageFile, "draft", lambda _, mode, size: drafts.append(size))
    decode(CODED, reduction=lambda width, height: 2)
    assert drafts == [(WIDTH // 2, HEIGHT // 2)]


def test_several_frames_are_noticed() -> None:
    assert [decode(READ[name][0]).more_frames for name in ("RGB", "several frames", "several frames of JPEG")] == [
        *(False, True, True)
    ]


def test_neither_the_patients_orientation_nor_exif_turns_the_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.fromarray(drawing()).save(buffer, "JPEG", exif=exif)
    for turned in (
        dicom_file(PatientOrientation=["F", "L"]),
        dicom_file(syntax=uid.JPEGBaseline8Bit, PixelData=encapsulate([buffer.getvalue()])),
    ):
        assert np.abs(rgb(decode(turned).rgb) - rgb(drawing())).mean() < 8


def test_a_profile_is_applied() -> None:
    stored = encode_in(ADOBE_RGB, drawing())
    picture = decode(dicom_file(stored, ICCProfile=rgb_profile(ADOBE_RGB)))
    assert np.abs(rgb(picture.rgb) - rgb(drawing())).mean() < 2 < np.abs(rgb(stored) - rgb(drawing())).mean()


def test_the_origin_is_kept_and_its_representation_names_nobody() -> None:
    picture = decode(GOOD)
    assert picture.origin is not None
    assert (picture.origin.study, dict(picture.origin.attributes)["PatientID"]) == (STUDY, PATIENT["PatientID"])
    assert not any(each in repr(picture.origin) for each in (*PATIENT.values(), STUDY))
    assert decode(dicom_file(StudyInstanceUID="1.2.x")).origin is None


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    file_format.accepted_formats.cache_clear()
    monkeypatch.setattr(file_format, "find_spec", lambda _: None)
    try:
        with pytest.raises(UnsupportedFormat, match="reading it needs the extra dicom"):
            decode(GOOD)
    finally:
        file_format.accepted_formats.cache_clear()


def test_mutated_instances_are_read_or_refused() -> None:
    """`make fuzz` sends many more, to the real service and to the coverage-guided fuzzer."""
    read = 0
    for data in mutations(400, of=dicom_originals):
        try:
            decode(data, max_pixels=1_000_000)
            read += 1
        except ImageError:
            continue
    assert 100 < read < 300, "the mutations are too tame or too wild"


@pytest.mark.parametrize("data", [GOOD, LOSSLESS, lossless_jpeg(drawing())], ids=["uncompressed", "lossless", "a file"])
def test_a_large_picture_is_reduced(data: bytes) -> None:
    picture: Picture = decode(data, reduction=lambda width, height: 2)
    assert (picture.rgb.shape, picture.width) == ((HEIGHT // 2, WIDTH // 2, 3), WIDTH)
