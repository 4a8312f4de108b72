"""Keep the memory that a training step frees, for the next step.

glibc returns large blocks to the system as soon as they are freed. The next step then gets zeroed pages, one page fault
each: several thousand per step of a small network. Gain: docs/performance.md.
"""

from __future__ import annotations

import contextlib
import ctypes

# From glibc's malloc.h. Blocks of M_MMAP_THRESHOLD bytes and more are mapped separately; free memory above
# M_TRIM_THRESHOLD bytes at the heap's end goes back to the system.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST_KEPT_BYTES, MOST_KEPT_BYTES = 2**30, 2**31 - 1


def keep_freed_memory() -> None:
    """Return memory that is free now to the system, and keep what is freed later: blocks up to 1 GiB, 2 GiB in all.

    Does nothing where the C library is not glibc.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(None)
        library.malloc_trim(0)
        library.mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT_BYTES)
        library.mallopt(M_TRIM_THRESHOLD, MOST_KEPT_BYTES)
