"""Arrays of a wrong shape, folder entries that are not files, and errors of the machine that may pass."""

import errno
import io
import os
import shutil
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from inference.bundle.storage import Bundle, InvalidBundle, open_bundle
from tests.support.bundles import npz, put
from tests.support.fakes import SIZE


@pytest.fixture
def folder(fake_bundle: Bundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(fake_bundle.path, tmp_path / "bundle"))


IMAGES, LOGITS = np.zeros((3, SIZE, SIZE, 3), np.uint8), np.zeros((3, 7), np.float32)


@pytest.mark.parametrize(("images", "logits", "cause"), [
    (IMAGES[:0], LOGITS[:0], "no golden cases"),
    (IMAGES[:, 1:], LOGITS, "golden images have shape"),
    (IMAGES[..., :1], LOGITS, "golden images have shape"),
    (IMAGES[..., 0], LOGITS, "golden images have shape"),
    (IMAGES, LOGITS[:2], "golden logits have shape"),
    (IMAGES, LOGITS[:, :6], "golden logits have shape"),
    (IMAGES.astype(np.float32), LOGITS, "images is float32; expected uint8"),
])  # fmt: skip
def test_golden_cases_that_could_prove_nothing_are_refused(
    folder: Path, images: np.ndarray, logits: np.ndarray, cause: str
) -> None:
    put(folder, {"golden.npz": npz(images=images, logits=logits)})
    with pytest.raises(InvalidBundle, match=cause):
        open_bundle(folder)


@pytest.mark.parametrize("shape", [(1,), (6,), (8,), (7, 1), ()])
def test_a_bias_of_another_shape_is_refused(folder: Path, fake_bundle: Bundle, shape: tuple[int, ...]) -> None:
    """NumPy would broadcast some of these shapes without an error."""
    put(folder, {"head.npz": npz(w=fake_bundle.head.w, b=np.zeros(shape, np.float32))})
    with pytest.raises(InvalidBundle, match="head b have shape"):
        open_bundle(folder)


@pytest.mark.parametrize("header", [
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (" + b"9" * 30 + b",)}",
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (True,)}",
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (7,)",
    b"{'descr': (('<f4',), 1, 2), 'fortran_order': False, 'shape': (7,)}",
    b"{[]: 1}",
])  # fmt: skip
def test_an_array_whose_header_is_made_up_is_refused(folder: Path, header: bytes) -> None:
    """NumPy's parser raises OverflowError, TypeError, TokenError and IndexError for them."""
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    with zipfile.ZipFile(content := io.BytesIO(), "w") as archive:
        archive.writestr("w.npy", array)
        archive.writestr("b.npy", array)
    put(folder, {"head.npz": content.getvalue()})
    with pytest.raises(InvalidBundle, match=r"head\.npz cannot be read"):
        open_bundle(folder)


def test_a_link_to_a_folder_is_no_part_of_a_bundle(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folder / "more").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidBundle, match="more is not a regular file"):
        open_bundle(folder)


def test_a_pipe_is_no_part_of_a_bundle(folder: Path) -> None:
    """Reading from it would block for ever."""
    os.mkfifo(folder / "pipe")
    with pytest.raises(InvalidBundle, match="pipe is not a regular file"):
        open_bundle(folder)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.ENOMEM])
def test_what_the_machine_cannot_do_now_is_no_fault_of_the_bundle(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The cache deletes a bundle that raises InvalidBundle."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(np, "load", fail)
    with pytest.raises(OSError, match=os.strerror(number)) as raised:
        open_bundle(folder)
    assert raised.value.errno == number
