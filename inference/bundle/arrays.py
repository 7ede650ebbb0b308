"""Reads the .npz files of a bundle, which may come from anybody: no pickle, bounded size, checked types and shapes."""

import errno
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.bundle.errors import InvalidBundle

MAX_ARRAY_BYTES = 256_000_000  # a head has kilobytes, golden images at 480 pixels have megabytes

# Errors of this machine at this moment, which say nothing about the bundle.
_TRANSIENT = (errno.EMFILE, errno.ENFILE, errno.EACCES, errno.EIO, errno.ENOMEM)


def read_arrays(path: Path, dtypes: Mapping[str, type[np.generic]]) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file, which must hold exactly these names with these dtypes.

    Raises InvalidBundle, and OSError for errors of the machine that may pass.
    """
    arrays = _load(path)
    if arrays.keys() != dtypes.keys():
        raise InvalidBundle(f"{path.name} holds {', '.join(arrays)}; expected {', '.join(dtypes)}.")
    for name, dtype in dtypes.items():
        if not isinstance(arrays[name], np.ndarray):  # NumPy returns a member that is no array as bytes
            raise InvalidBundle(f"{path.name} cannot be read.")
        if arrays[name].dtype != dtype:
            raise InvalidBundle(f"{path.name}: {name} is {arrays[name].dtype}; expected {np.dtype(dtype)}.")
    return arrays


def _load(path: Path) -> dict[str, NDArray[Any]]:
    if not zipfile.is_zipfile(path):  # NumPy 2.4 would leave a half-built object behind
        raise InvalidBundle(f"{path.name} cannot be read.")
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > MAX_ARRAY_BYTES:
            raise InvalidBundle(f"{path.name} unpacks to {size:,} bytes; allowed: {MAX_ARRAY_BYTES:,}.")
        with np.load(path, allow_pickle=False) as loaded:
            return {name: loaded[name] for name in loaded.files}
    except InvalidBundle:
        raise
    except OSError as error:
        if error.errno in _TRANSIENT:
            raise
        raise InvalidBundle(f"{path.name} cannot be read.") from error
    except Exception as error:  # zipfile, zlib and NumPy's parser of headers raise a dozen kinds for damaged archives
        raise InvalidBundle(f"{path.name} cannot be read.") from error


def expect_shape(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    """Raises InvalidBundle if the array has another shape; `name` stands in the message."""
    if array.shape != shape:
        raise InvalidBundle(f"The {name} have shape {array.shape}; expected {shape}.")
