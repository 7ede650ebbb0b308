"""What the C library keeps of memory that is free again."""

import ctypes
import os

M_ARENA_MAX = -8  # of glibc's malloc.h
ARENAS = 2


def limit_arenas() -> None:
    """
    All threads of this process share ARENAS arenas, unless MALLOC_ARENA_MAX is set. Call it before threads start.

    By default glibc has up to eight for each core, and each keeps what its threads freed: after many large answers, drawn
    in several threads, that was twice what two arenas keep (docs/reliability.md, "Siege"). C libraries other than glibc
    have no arenas to limit. Source: man 3 mallopt.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt(M_ARENA_MAX, ARENAS)
