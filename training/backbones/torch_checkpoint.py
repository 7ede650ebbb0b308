"""Reads tensors from PyTorch's legacy (non-zip) checkpoints, without torch and without executing the file's code.

The format (torch < 1.6, `torch.serialization._legacy_save`): five pickles one after the other (magic number,
protocol version, system information, the state, the list of storage keys), then for each key an int64 element
count and the raw little-endian elements. A general unpickler executes any function that the file names. This
one accepts four global names and the opcodes that torch writes, and calls only the record types below.
"""

import hashlib
import math
import pickle  # for a restricted unpickler  # nosec B403
import pickletools  # nosec B403
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
OPCODES = frozenset(
    [
        "PROTO",
        "STOP",
        "MARK",
        "NONE",
        "NEWTRUE",
        "NEWFALSE",
        "LONG1",
        "BININT",
        "BININT1",
        "BININT2",
        "BINUNICODE",
        "EMPTY_DICT",
        "EMPTY_LIST",
        "EMPTY_TUPLE",
        "TUPLE",
        "TUPLE1",
        "TUPLE2",
        "TUPLE3",
        "APPEND",
        "APPENDS",
        "SETITEM",
        "SETITEMS",
        "BINPUT",
        "LONG_BINPUT",
        "BINGET",
        "LONG_BINGET",
        "GLOBAL",
        "REDUCE",
        "BUILD",
        "BINPERSID",
    ]
)


class UnsafePickle(ValueError):
    """The checkpoint contains a global name or an opcode that a checkpoint of tensors does not need."""


class BrokenCheckpoint(ValueError):
    """The file is not the expected one, is truncated, or is inconsistent."""


class _State(dict[str, Any]):
    """Replaces collections.OrderedDict: an ordered dict that drops torch's `_metadata` attribute."""

    def __setstate__(self, state: object) -> None:
        pass


# slots: such a class has a __setstate__, so opcode BUILD cannot set attributes on the class itself.
@dataclass(frozen=True, slots=True)
class _Storage:
    key: str
    dtype: str
    elements: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    """Replaces torch._utils._rebuild_tensor_v2: a strided view of a storage, in elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    requires_grad: bool
    hooks: object


GLOBALS: Mapping[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _State,
    ("torch._utils", "_rebuild_tensor_v2"): _Tensor,
    ("torch", "FloatStorage"): "<f4",
    ("torch", "LongStorage"): "<i8",
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in GLOBALS:
            raise UnsafePickle(f"the checkpoint refers to {module}.{name}, which no tensor needs")
        return GLOBALS[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _location, elements, view = pid
        if kind != "storage" or view is not None:
            raise BrokenCheckpoint(f"unsupported reference {kind!r}: only whole storages can be read")
        return _Storage(key, dtype, elements)


def read(path: Path, *, sha256: str) -> dict[str, NDArray[Any]]:
    """Read a checkpoint whose SHA-256 (hex) is known; the digest is compared before any byte is parsed.

    Returns what `parse` returns. Raises BrokenCheckpoint on another digest, and what `parse` raises.
    """
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256:
        raise BrokenCheckpoint(f"{path.name}: SHA-256 is {digest}, expected {sha256}")
    return parse(data)


def parse(data: bytes) -> dict[str, NDArray[Any]]:
    """Read the bytes of a legacy checkpoint that holds one flat state dict.

    Returns {name: contiguous float32 or int64 array}, in the file's order, in torch's axis order.
    Raises UnsafePickle for a global or opcode outside the list above, BrokenCheckpoint for everything else.
    """
    stream = BytesIO(data)
    header = [_unpickle(stream) for _ in range(3)]
    if header[:2] != [MAGIC, PROTOCOL]:
        raise BrokenCheckpoint("not a legacy torch checkpoint: magic number or protocol version differ")
    if not isinstance(header[2], dict) or header[2].get("little_endian") is not True:
        raise BrokenCheckpoint("the checkpoint was not written on a little-endian machine")
    state, keys = _unpickle(stream), _unpickle(stream)
    tensors = _tensors(state)
    storages = {tensor.storage for tensor in tensors.values()}
    declared = {storage.key: storage for storage in storages}
    if len(declared) < len(storages) or not _same_keys(keys, declared):
        raise BrokenCheckpoint("the list of storages does not match the tensors")
    arrays = {key: _array(stream, declared[key]) for key in keys}
    if stream.read(1):
        raise BrokenCheckpoint("there are bytes after the last storage")
    return {name: _view(arrays[tensor.storage.key], tensor, name) for name, tensor in tensors.items()}


def _unpickle(stream: BytesIO) -> Any:
    start = stream.tell()
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            if opcode.name not in OPCODES:
                raise UnsafePickle(f"the checkpoint uses opcode {opcode.name}, which torch never writes")
            # CPython 3.11 allocates the memo up to this index: one crafted opcode would take gigabytes.
            if opcode.name == "LONG_BINPUT" and (argument or 0) > len(stream.getbuffer()):
                raise BrokenCheckpoint(f"memo index {argument} is beyond the file")
        stream.seek(start)
        return _Unpickler(stream).load()
    except (UnsafePickle, BrokenCheckpoint):
        raise
    except Exception as error:  # a damaged pickle raises nearly any type
        raise BrokenCheckpoint(f"damaged pickle at byte {start}: {error}") from error


def _tensors(state: object) -> dict[str, _Tensor]:
    if not isinstance(state, _State):
        raise BrokenCheckpoint("the checkpoint does not hold a state dict")
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise BrokenCheckpoint(f"entry {name!r} of the state dict is not a tensor")
        storage = tensor.storage
        if not isinstance(storage, _Storage) or not isinstance(storage.key, str):
            raise BrokenCheckpoint(f"{name}: its storage has no name")
        if storage.dtype not in ("<f4", "<i8") or not _counts(storage.elements):
            raise BrokenCheckpoint(f"{name}: its storage has an unknown dtype or a wrong length")
    return dict(state)


def _same_keys(keys: object, declared: Mapping[str, _Storage]) -> bool:
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        return False
    return sorted(keys) == sorted(declared)


def _array(stream: BytesIO, storage: _Storage) -> NDArray[Any]:
    header = stream.read(8)
    if len(header) < 8 or int.from_bytes(header, "little", signed=True) != storage.elements:
        raise BrokenCheckpoint(f"storage {storage.key} is missing or its length is not {storage.elements}")
    dtype = np.dtype(storage.dtype)
    raw = stream.read(storage.elements * dtype.itemsize)
    if len(raw) < storage.elements * dtype.itemsize:
        raise BrokenCheckpoint(f"the file ends inside storage {storage.key}")
    return np.frombuffer(raw, dtype)


def _view(storage: NDArray[Any], tensor: _Tensor, name: str) -> NDArray[Any]:
    shape, strides = tensor.shape, tensor.strides
    if not isinstance(shape, tuple) or not isinstance(strides, tuple) or len(shape) != len(strides):
        raise BrokenCheckpoint(f"{name}: shape {shape!r} and strides {strides!r} have different lengths")
    if not _counts(tensor.offset, *shape, *strides) or len(shape) > 8:
        raise BrokenCheckpoint(f"{name}: offset, shape and strides must be integers of 0 or more")
    last = tensor.offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    # The second bound stops stride 0 from turning a small file into a huge array.
    if 0 in shape or last >= storage.size or math.prod(shape) > storage.size:
        raise BrokenCheckpoint(f"{name}: shape {shape} does not fit its storage of {storage.size} elements")
    steps = [stride * storage.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(storage[tensor.offset :], shape, steps, writeable=False).copy()


def _counts(*values: object) -> bool:
    return all(type(value) is int and 0 <= value < 2**40 for value in values)
