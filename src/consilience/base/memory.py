"""Memory of large temporary arrays."""

from __future__ import annotations

from functools import cache

import numpy as np

KEPT = 1 << 24  # bytes; twice as much is kept


@cache
def keep_freed_memory() -> None:
    """Let the C library keep what temporary arrays free, up to 32 MB, instead of giving it back to the system.

    By default the GNU C library returns freed memory above 128 KB and asks for it again, page by page, at the next array:
    a quarter of the time of a batch of some thousand analyses. Once a block of a given size was freed, it keeps blocks up to
    that size. The block asked for here is never touched, so it costs nothing; with other C libraries nothing changes.

    Source: mallopt(3), M_MMAP_THRESHOLD and M_TRIM_THRESHOLD (dynamic by default).
    """
    np.empty(KEPT, dtype=np.uint8)
