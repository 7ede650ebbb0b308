"""When the C library gives memory back."""

import ctypes
import os

M_MMAP_THRESHOLD = -3  # of glibc's malloc.h
LARGE_BYTES = 1 << 20


def give_large_blocks_back() -> None:
    """
    From now on a block of LARGE_BYTES goes back to the system when it is freed, unless MALLOC_MMAP_THRESHOLD_ is set.

    By default glibc raises this limit up to 32 MB as large blocks are freed, and keeps what is below in the arenas of
    the threads that freed it: after many large answers that is hundreds of megabytes (docs/reliability.md, "Siege").
    Other C libraries are left alone. Source: man 3 mallopt.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and "MALLOC_MMAP_THRESHOLD_" not in os.environ:
        mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
