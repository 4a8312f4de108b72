"""Image properties that the checks compare: content, size and a tiny copy. Shapes: N rows, T pixels a side."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from benchmarks.data.base import Source
from benchmarks.data.decoded.cache import Decoded
from benchmarks.data.decoded.pixels import size_claimed
from benchmarks.support.hardware import usable_cores

TINY_PX = 18
_PART = 256  # rows per call of a thread


@dataclass(frozen=True, eq=False)
class Traits:
    """Properties of the decoded rows, in their order."""

    content_N: np.ndarray  # uint64 hash: equal if the files (or arrays) are
    sizes_N2: np.ndarray  # int64: width and height of the source's image
    tiny_NTT3: np.ndarray  # uint8 [N, T, T, 3]


def traits(source: Source, decoded: Decoded, on_progress: Callable[[int, int], None]) -> Traits:
    """Read every image of the source again, on all cores; `on_progress(done, total)` counts rows."""
    import cv2

    total = len(decoded.kept_N)
    step = max(1, decoded.images_NHWC.shape[1] // (4 * TINY_PX))  # at 224 px: half the time, equally informative
    found = Traits(
        np.zeros(total, dtype=np.uint64),
        np.zeros((total, 2), dtype=np.int64),
        np.zeros((total, TINY_PX, TINY_PX, 3), dtype=np.uint8),
    )

    def part(start: int) -> int:
        """Fill the rows of one part, and return its end."""
        end = min(start + _PART, total)
        for position, row in enumerate(decoded.kept_N[start:end].tolist(), start):
            found.content_N[position], found.sizes_N2[position] = _read(source, row)
            image_HWC = np.ascontiguousarray(decoded.images_NHWC[position, ::step, ::step])
            found.tiny_NTT3[position] = cv2.resize(image_HWC, (TINY_PX, TINY_PX), interpolation=cv2.INTER_AREA)
        return end

    with ThreadPoolExecutor(usable_cores()) as pool:
        for end in pool.map(part, range(0, total, _PART)):
            on_progress(end, total)
    return found


def _read(source: Source, row: int) -> tuple[int, tuple[int, int]]:
    """Return a hash of a row's stored image, and its width and height, zeros if it no longer exists."""
    try:
        image = source.read(row)
    except (OSError, ValueError):
        image = None
    if image is None:  # a unique hash
        size, content = (0, 0), f"no image in row {row}".encode()
    elif isinstance(image, np.ndarray):
        size, content = (image.shape[1], image.shape[0]), np.ascontiguousarray(image).tobytes()
    else:
        size, content = size_claimed(image), image
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest()), size
