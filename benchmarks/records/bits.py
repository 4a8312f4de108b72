"""One bit per test row as base64 text: whether the row was a hit, class by class."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def pack_bits(hits_N: np.ndarray, labels_N: np.ndarray) -> str:
    """Return base64 text of bool [N], rows sorted by label (class by class, else in the order given).

    Eight rows per byte, first row in the highest bit (`np.packbits`).
    """
    import numpy as np

    by_class_N = np.argsort(labels_N, kind="stable")
    return base64.b64encode(np.packbits(np.asarray(hits_N, dtype=bool)[by_class_N]).tobytes()).decode("ascii")


def unpack_bits(text: str, rows: int) -> np.ndarray:
    """Return the bool array [rows] that `pack_bits` packed, class by class."""
    import numpy as np

    return np.unpackbits(np.frombuffer(base64.b64decode(text), dtype=np.uint8), count=rows).astype(bool)


def count_bits(text: str, test_n: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the ones of each class; None where the text is not base64 of as many bits as there are rows."""
    import numpy as np

    rows = sum(test_n)
    try:
        packed = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(packed) != (rows + 7) // 8:
        return None
    sizes_C = np.array(test_n, dtype=np.int64)
    ones_C, filled_C = np.zeros_like(sizes_C), sizes_C > 0
    if rows:
        starts = np.cumsum(sizes_C)[filled_C] - sizes_C[filled_C]
        ones_C[filled_C] = np.add.reduceat(unpack_bits(text, rows), starts, dtype=np.int64)
    return tuple(ones_C.tolist())
