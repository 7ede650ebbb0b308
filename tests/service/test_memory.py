"""The arenas of the C library that threads share, in processes of their own."""

import platform
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

# Holds the memory of eight threads at once, and prints how many arenas malloc_info of glibc lists.
PROGRAM = """
import ctypes, threading
from service.memory import limit_arenas
{call}
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.open_memstream.restype = ctypes.c_void_p
everybody = threading.Barrier(8)
def hold():
    libc.malloc(ctypes.c_size_t(10_000))
    everybody.wait()
threads = [threading.Thread(target=hold) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
text, size = ctypes.c_char_p(), ctypes.c_size_t()
stream = ctypes.c_void_p(libc.open_memstream(ctypes.byref(text), ctypes.byref(size)))
libc.malloc_info(0, stream)
libc.fclose(stream)
print(text.value.count(b"<heap nr="))
"""


def _arenas(call: str, environment: dict[str, str] | None = None) -> int:
    program = [sys.executable, "-c", PROGRAM.format(call=call)]
    ended = subprocess.run(program, cwd=ROOT, env=environment, check=True, capture_output=True)
    return int(ended.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has arenas")
def test_all_threads_share_two_arenas() -> None:
    assert _arenas("pass") > 2
    assert _arenas("limit_arenas()") <= 2


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has arenas")
def test_who_sets_the_number_keeps_it() -> None:
    assert _arenas("limit_arenas()", {"MALLOC_ARENA_MAX": "4"}) > 2
