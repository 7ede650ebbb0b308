"""Names, datatypes and binary form of the tensors (the protocol's binary tensor data extension)."""

import math
import struct
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from inference.domain.taxonomy import CLASSES
from service.errors import InvalidInference

Datatype = Literal["BYTES", "FP32"]
BINARY_SIZE = "binary_data_size"
_LENGTH = struct.Struct("<I")  # before each element of BYTES in binary form
# Name -> datatype and shape after the number of images.
OUTPUTS: dict[str, tuple[Datatype, tuple[int, ...]]] = {
    "class": ("BYTES", ()),
    "probabilities": ("FP32", (len(CLASSES),)),
    "malignant_probability": ("FP32", ()),
    "risk": ("BYTES", ()),
    "warnings": ("BYTES", ()),
    "error": ("BYTES", ()),
}


def split_bytes(binary: bytes, *, most: int) -> Iterator[bytes]:
    """The elements of a BYTES tensor, one more than `most` at the most. Raises InvalidInference."""
    place = count = 0
    while place < len(binary):
        start = place + _LENGTH.size
        if start > len(binary) or count > most:
            raise InvalidInference("The bytes behind the JSON are no BYTES tensor.")
        place = start + _LENGTH.unpack_from(binary, place)[0]
        if place > len(binary):
            raise InvalidInference("The bytes behind the JSON end within an element.")
        count += 1
        yield binary[start:place]


def to_bytes(values: Sequence[str | float | None], datatype: Datatype) -> bytes:
    """A tensor in binary form; a number that does not exist is NaN."""
    if datatype == "BYTES":
        texts = [str(value).encode() for value in values]
        return b"".join(_LENGTH.pack(len(text)) + text for text in texts)
    return np.array([math.nan if value is None else value for value in values], "<f4").tobytes()
