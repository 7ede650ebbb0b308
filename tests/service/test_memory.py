"""Whether freed memory goes back to the system, in processes of their own."""

import os
import platform
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has this limit")

# Frees a block of 8 MB, which raises glibc's own limit, takes such a block again, and prints the bytes that glibc then
# holds outside of its arenas (`hblkhd` of mallinfo2).
PROGRAM = """
import ctypes
from service.memory import give_large_blocks_back
{call}
NAMES = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
class Mallinfo2(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in NAMES]
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
libc.mallinfo2.restype = Mallinfo2
{more}
size = ctypes.c_size_t(8 << 20)
libc.free(libc.malloc(size))
before = libc.mallinfo2().hblkhd
libc.malloc(size)
print(libc.mallinfo2().hblkhd - before)
"""


# Prints how many bytes of four blocks, each below the limit, glibc has given back after they were freed, and ends.
SMALLER = """
blocks = [libc.malloc(ctypes.c_size_t(1_000_000)) for _ in range(4)]
full = libc.mallinfo2().arena
for block in blocks: libc.free(block)
print(full - libc.mallinfo2().arena)
raise SystemExit
"""


def _outside_of_arenas(call: str, more: str = "", **environment: str) -> int:
    program = [sys.executable, "-c", PROGRAM.format(call=call, more=more)]
    ended = subprocess.run(program, cwd=ROOT, env=os.environ | environment, check=True, capture_output=True)
    return int(ended.stdout)


def test_a_large_block_goes_back_when_it_is_freed() -> None:
    assert _outside_of_arenas("pass") == 0
    assert _outside_of_arenas("give_large_blocks_back()") >= 8 << 20


def test_who_sets_the_limit_keeps_it() -> None:
    limit = str(32 << 20)
    assert _outside_of_arenas("give_large_blocks_back()", MALLOC_MMAP_THRESHOLD_=limit) == 0


def test_smaller_blocks_stay_for_the_next_answer() -> None:
    assert _outside_of_arenas("give_large_blocks_back()", SMALLER) == 0
    no_limit = "libc = ctypes.CDLL(None); libc.mallopt(-3, 1 << 20)"  # that of large blocks alone
    assert _outside_of_arenas(no_limit, SMALLER) > 2 << 20
