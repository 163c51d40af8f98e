"""Freed memory that stays with the process for its next use.

Dask's nanny starts workers with a trim threshold of 64 KiB: whatever a computation frees goes back
to the system and is paged in again by the next. Arrays of some megabytes, made and freed many times
a second, then cost half as much time again, and standardising a twentieth more.
"""

import ctypes
import sys

KEPT_BYTES = 256 << 20  # at the top of a heap, before it goes back to the system
MAPPED_BYTES = 32 << 20  # the most that glibc takes: larger blocks are mapped one by one

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # <malloc.h>


def keep_freed_memory() -> None:
    """Let this process keep up to `KEPT_BYTES` that it has freed; without glibc, do nothing."""
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(_M_MMAP_THRESHOLD, MAPPED_BYTES)
