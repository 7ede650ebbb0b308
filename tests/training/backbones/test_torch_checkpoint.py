"""Reading legacy torch checkpoints, which are written here opcode by opcode: no test needs torch."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from training.backbones import torch_checkpoint
from training.backbones.torch_checkpoint import BrokenCheckpoint, UnsafePickle

VALUES = np.arange(6, dtype=np.float32)


def text(value: str) -> bytes:
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def count(value: int) -> bytes:
    return b"J" + value.to_bytes(4, "little", signed=True)


def counts(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(count, values)) + b"t"


def tensor(*, kind: str = "FloatStorage", elements: int = 6, offset: int = 0, shape: Any, strides: Any) -> bytes:
    storage = b"(" + text("storage") + f"ctorch\n{kind}\n".encode() + text("7") + text("cpu") + count(elements) + b"NtQ"
    view = storage + count(offset) + counts(shape) + counts(strides) + b"\x89" + b"ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + view + b"tR"


def state(entries: dict[str, bytes]) -> bytes:
    items = b"".join(text(name) + body for name, body in entries.items())
    metadata = b"}" + text("_metadata") + b"}sb"
    return b"\x80\x02ccollections\nOrderedDict\n)R(" + items + b"u" + metadata + b"."


def checkpoint(body: bytes, *, keys: Any = ("7",), storages: bytes | None = None, little: bool = True) -> bytes:
    header = [torch_checkpoint.MAGIC, torch_checkpoint.PROTOCOL, {"protocol_version": 1001, "little_endian": little}]
    if storages is None:
        storages = (6).to_bytes(8, "little") + VALUES.tobytes()
    return b"".join(pickle.dumps(part, 2) for part in header) + body + pickle.dumps(list(keys), 2) + storages


WHOLE = checkpoint(state({"w": tensor(shape=(2, 3), strides=(3, 1)), "turned": tensor(shape=(3, 2), strides=(1, 3))}))


def test_tensors_come_back_in_order_with_their_strides_applied() -> None:
    tensors = torch_checkpoint.parse(WHOLE)
    assert list(tensors) == ["w", "turned"]
    np.testing.assert_array_equal(tensors["w"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(tensors["turned"], [[0, 3], [1, 4], [2, 5]])
    assert all(array.dtype == np.float32 and array.flags.c_contiguous for array in tensors.values())


def test_an_offset_and_a_scalar_of_int64_are_read() -> None:
    storages = (2).to_bytes(8, "little") + np.array([5, 9], np.int64).tobytes()
    body = state({"steps": tensor(kind="LongStorage", elements=2, offset=1, shape=(), strides=())})
    steps = torch_checkpoint.parse(checkpoint(body, storages=storages))["steps"]
    assert (steps.shape, steps.dtype, int(steps)) == ((), np.int64, 9)


@pytest.mark.parametrize("function", ["os.system", "builtins.eval", "builtins.getattr"])
@pytest.mark.parametrize("position", [0, 3])
def test_a_pickle_that_calls_something_is_refused_before_the_call(function: str, position: int, tmp_path: Path) -> None:
    trace = tmp_path / "called"
    module, name = function.split(".")
    crafted = f"\x80\x02c{module}\n{name}\n".encode("latin-1") + text(f"touch {trace}") + b"\x85R."
    with pytest.raises(UnsafePickle, match=function):
        torch_checkpoint.parse(crafted if position == 0 else checkpoint(crafted))
    assert not trace.exists()


@pytest.mark.parametrize("body", [pickle.dumps(print, 4), b"\x80\x02\x82\x01.", b"\x80\x02(ios\nsystem\n."])
def test_opcodes_that_torch_never_writes_are_refused(body: bytes) -> None:
    with pytest.raises(UnsafePickle, match="opcode"):
        torch_checkpoint.parse(checkpoint(body))


def test_a_memo_index_beyond_the_file_is_refused_before_memory_is_taken() -> None:
    with pytest.raises(BrokenCheckpoint, match="memo index"):
        torch_checkpoint.parse(checkpoint(b"\x80\x02}r\xff\xff\xff\xff."))


@pytest.mark.parametrize("name", ["ctorch._utils\n_rebuild_tensor_v2\n", "ccollections\nOrderedDict\n"])
@pytest.mark.parametrize("slots", [False, True])
def test_a_file_cannot_change_the_reader(name: str, slots: bool) -> None:
    attributes = b"}" + text("__init__") + text("x") + b"s"
    change = b"N" + attributes + b"\x86b" if slots else attributes + b"b"
    with pytest.raises(BrokenCheckpoint, match="setstate"):
        torch_checkpoint.parse(checkpoint(b"\x80\x02" + name.encode() + change + b"."))
    assert torch_checkpoint.parse(WHOLE)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (b"", "byte 0"),
        (b"PK\x03\x04 a zip", "byte 0"),
        (pickle.dumps(5, 2) * 5, "magic"),
        (checkpoint(state({}), keys=(), storages=b"", little=False), "little-endian"),
        (checkpoint(pickle.dumps([1], 2)), "state dict"),
        (checkpoint(state({"w": count(1)})), "'w'"),
        (checkpoint(state({"w": tensor(shape=(2, 3), strides=(3, 1))}), keys=("8",)), "list of storages"),
        (checkpoint(state({"w": tensor(shape=(2, 3), strides=(3, 1))}), keys=("7", "7")), "list of storages"),
        (checkpoint(state({"w": tensor(shape=(2, 3), strides=(3, 1))}), keys=(7,)), "list of storages"),
        (
            checkpoint(state({f"{n}": tensor(elements=n, shape=(5,), strides=(1,)) for n in (5, 6)})),
            "list of",
        ),
        (checkpoint(state({"w": tensor(elements=5, shape=(5,), strides=(1,))})), "length is not 5"),
        (
            checkpoint(state({"w": tensor(elements=-1, shape=(2, 3), strides=(3, 1))})),
            "unknown dtype or a wrong length",
        ),
        (checkpoint(state({"w": tensor(shape=(2, 4), strides=(3, 1))})), "does not fit"),
        (checkpoint(state({"w": tensor(shape=(2, 3), strides=(4, 1))})), "does not fit"),
        (checkpoint(state({"w": tensor(shape=(2, 3), strides=(3, 1), offset=1)})), "does not fit"),
        (checkpoint(state({"w": tensor(shape=(10**6, 10**6), strides=(0, 0))})), "does not fit"),
        (checkpoint(state({"w": tensor(shape=(2, 3), strides=(3, 1), offset=-1)})), "must be integers of 0 or more"),
        (checkpoint(state({"w": tensor(shape=(2, 3), strides=(-3, 1), offset=3)})), "must be integers of 0 or more"),
        (checkpoint(state({"w": tensor(shape=(2, 3), strides=(1,))})), "have different lengths"),
        (WHOLE[:-1], "ends inside storage 7"),
        (WHOLE + b"\0", "after the last storage"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused_with_the_reason(broken: bytes, message: str) -> None:
    with pytest.raises(BrokenCheckpoint, match=message):
        torch_checkpoint.parse(broken)


def test_a_file_cut_anywhere_is_refused() -> None:
    for length in range(len(WHOLE)):
        with pytest.raises(BrokenCheckpoint):
            torch_checkpoint.parse(WHOLE[:length])


@given(st.dictionaries(st.integers(0, len(WHOLE) - 1), st.integers(0, 255), min_size=1, max_size=4))
@example({0: 0})
@settings(deadline=None, max_examples=300)
def test_a_damaged_file_gives_arrays_or_a_named_error(changes: dict[int, int]) -> None:
    damaged = bytearray(WHOLE)
    for position, value in changes.items():
        damaged[position] = value
    try:
        tensors = torch_checkpoint.parse(bytes(damaged))
    except (UnsafePickle, BrokenCheckpoint):
        return
    assert all(isinstance(array, np.ndarray) for array in tensors.values())


def test_the_digest_is_checked_before_anything_is_parsed(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    file.write_bytes(WHOLE)
    with pytest.raises(BrokenCheckpoint, match=r"weights\.pth: SHA-256"):
        torch_checkpoint.read(file, sha256="0" * 64)
