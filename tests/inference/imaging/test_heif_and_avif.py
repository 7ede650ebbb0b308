"""HEIC and AVIF, as phones and browsers write them: pixels, orientation, transparency, profiles, several pictures.

The HEIC files were made by reference/make_heic_reference.py; Pillow writes AVIF.
"""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import AvifImagePlugin, Image

from inference.imaging.decoding import decode
from inference.imaging.errors import ImageTooLarge, UnreadableImage
from inference.imaging.heif_items import check_items
from tests.support.profiles import DISPLAY_P3, encode_in, rgb_profile

REFERENCE = Path(__file__).parent / "reference"
COLOURS = [[200, 60, 40], [60, 160, 70], [50, 80, 190], [230, 220, 90], [120, 120, 120], [240, 200, 180]]
BLOCKS = np.kron(np.array(COLOURS, np.uint8).reshape(2, 3, 3), np.ones((48, 43, 1), np.uint8))[:, :128]
LEFT = np.s_[:, :62]


def avif(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "AVIF", **({"quality": 100, "subsampling": "4:4:4"} | options))
    return buffer.getvalue()


def transparent_right() -> Image.Image:
    alpha = np.broadcast_to(np.where(np.arange(128) < 64, 255, 0).astype(np.uint8), BLOCKS.shape[:2])
    return Image.fromarray(np.dstack([BLOCKS, alpha]))


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return avif(Image.fromarray(BLOCKS).transpose(Image.Transpose.ROTATE_90), exif=exif)


@pytest.mark.parametrize("data", [
    pytest.param((REFERENCE / "blocks.heic").read_bytes(), id="HEIC"),
    pytest.param((REFERENCE / "turned.heic").read_bytes(), id="HEIC, turned by its container and by EXIF"),
    pytest.param(avif(Image.fromarray(BLOCKS)), id="AVIF"),
    pytest.param(turned(), id="AVIF, turned"),
])  # fmt: skip
def test_pixels_are_upright_and_right(data: bytes) -> None:
    picture = decode(data)
    assert (picture.width, picture.height) == (128, 96)
    assert np.abs(picture.rgb.astype(int) - BLOCKS).max() <= 3
    assert not picture.more_frames


@pytest.mark.parametrize("data", [(REFERENCE / "transparent.heic").read_bytes(), avif(transparent_right())])
def test_transparent_pixels_are_white(data: bytes) -> None:
    rgb = decode(data).rgb.astype(int)
    assert np.abs(rgb[LEFT] - BLOCKS[LEFT]).max() <= 3
    assert rgb[:, 66:].min() >= 252


def of_transfer(characteristics: int) -> bytes:
    """The HEIC file with these transfer characteristics of ITU-T H.273."""
    data = (REFERENCE / "blocks.heic").read_bytes()
    at = data.index(b"nclx") + 6
    return data[:at] + characteristics.to_bytes(2, "big") + data[at + 2 :]


@pytest.mark.parametrize("characteristics", [16, 18], ids=["PQ", "HLG"])
def test_high_dynamic_range_is_refused(characteristics: int) -> None:
    with pytest.raises(UnreadableImage, match="high dynamic range"):
        decode(of_transfer(characteristics))


@pytest.mark.parametrize("characteristics", [1, 13], ids=["BT.709", "sRGB"])
def test_standard_range_is_read(characteristics: int) -> None:
    assert decode(of_transfer(characteristics)).rgb.shape == BLOCKS.shape


def test_avif_is_decoded_by_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    data, decoder, threads = avif(Image.fromarray(BLOCKS)), AvifImagePlugin._avif.AvifDecoder, []

    def note(content: bytes, codec: str, most_threads: int) -> object:
        threads.append(most_threads)
        return decoder(content, codec, most_threads)

    monkeypatch.setattr(AvifImagePlugin, "DEFAULT_MAX_THREADS", 4)
    monkeypatch.setattr(AvifImagePlugin._avif, "AvifDecoder", note)
    assert decode(data).width == 128
    assert threads == [1]


def test_several_pictures_give_the_first_and_say_so() -> None:
    frames = {"save_all": True, "append_images": [Image.new("RGB", (128, 96), "blue")]}
    for data in ((REFERENCE / "two.heic").read_bytes(), avif(Image.fromarray(BLOCKS), **frames)):
        picture = decode(data)
        assert picture.more_frames
        assert np.abs(picture.rgb.astype(int) - BLOCKS).max() <= 6


def test_a_profile_is_applied() -> None:
    data = avif(Image.fromarray(encode_in(DISPLAY_P3, BLOCKS)), icc_profile=rgb_profile(DISPLAY_P3))
    assert np.abs(decode(data).rgb.astype(int) - BLOCKS).max() <= 6


@pytest.mark.parametrize("data", [(REFERENCE / "blocks.heic").read_bytes(), avif(Image.fromarray(BLOCKS))])
@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9])
def test_what_is_cut_off_is_unreadable(data: bytes, kept: float) -> None:
    with pytest.raises(UnreadableImage):
        decode(data[: int(kept * len(data))])


@pytest.mark.parametrize("data", [(REFERENCE / "blocks.heic").read_bytes(), avif(Image.fromarray(BLOCKS))])
def test_pixels_are_counted_before_they_are_decoded(data: bytes) -> None:
    with pytest.raises(ImageTooLarge, match="128 x 96"):
        decode(data, max_pixels=128 * 96 - 1)


def replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    assert data.count(old) == 1
    assert len(old) == len(new)
    return data.replace(old, new)


EXIF = b"infe\x02\x00\x00\x01\x00\x02\x00\x00Exif\x00"


@pytest.mark.parametrize(
    "item",
    [
        b"infe\x02\x00\x00\x01\x00\x02\x00\x00\xff\xff\xff\xff\x00",  # its type
        b"infe\x02\x00\x00\x01\x00\x02\x00\x00Exi\xc3\xa9",  # text, but for its type alone
        b"infe\x02\x00\x00\x01\x00\x02\x00\x00Exif\xfe",  # its name
        b"infe\x00\x00\x00\x01\x00\x02\x00\x00Ex\xfff\x00",  # the name where version 0 has it
        b"infe\x03\x00\x00\x01\x00\x02\x00\x00Exi\xff\x00",  # the type where version 3 has it
    ],
)
def test_an_item_whose_words_are_no_text_is_refused_before_libheif_crashes_on_it(item: bytes) -> None:
    """Of 50,000 damaged files, three had such an item, and each ended its decoder."""
    data = (REFERENCE / "turned.heic").read_bytes()
    with pytest.raises(UnreadableImage, match="The HEIC file is damaged or cut off"):
        decode(replaced(data, EXIF, item))


def test_an_item_may_have_a_name_in_any_language() -> None:
    data = (REFERENCE / "turned.heic").read_bytes()
    check_items(replaced(data, EXIF, b"infe\x00\x00\x00\x01\x00\x02\x00\x00" + "Lucía".encode()[1:]))


def test_boxes_that_do_not_fit_end_the_search() -> None:
    for data in (b"", bytes(7), b"\0\0\0\x04meta", b"\0\0\1\0meta\0", b"\0\0\0\1meta" + b"\xff" * 8):
        check_items(data)
