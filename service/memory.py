"""When the C library gives memory back."""

import ctypes
import os

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
LARGE_BYTES = 1 << 20
KEPT_BYTES = 8 << 20  # of each arena: what one answer with heat maps takes and frees again


def give_large_blocks_back() -> None:
    """
    From now on a block of LARGE_BYTES goes back to the system when it is freed, unless MALLOC_MMAP_THRESHOLD_ is set.

    By default glibc raises this limit up to 32 MB as large blocks are freed, and keeps what is below in the arenas of
    the threads that freed it: after many large answers that is hundreds of megabytes (docs/reliability.md, "Siege").
    Smaller blocks stay: with a limit of one's own, glibc would give back all but 128 kB at the end of an arena, and an
    answer with heat maps would get its memory from the system a thousand pages at a time, which takes 3 ms.
    Other C libraries are left alone. Source: man 3 mallopt.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and "MALLOC_MMAP_THRESHOLD_" not in os.environ:
        mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
