"""Striped squares, drawn by code: three classes that differ in the width of their stripes."""

from __future__ import annotations

import numpy as np

from benchmarks.data.base import Source
from benchmarks.data.registry import dataset

TRAINING_ROWS = (24, 8, 3)  # per class: stripes of 1, 2 and 3 pixels
TEST_ROWS = 10


@dataset("stripes", "striped squares of three widths, drawn by code")
def open_source(seed: int = 0) -> Source:
    """Return 35 training and 30 test rows of three classes; uint8 [16, 16, 3] RGB, with noise drawn from `seed`."""
    rows = [
        (width, trains)
        for width, train_rows in enumerate(TRAINING_ROWS, start=1)
        for trains, count in ((True, train_rows), (False, TEST_ROWS))
        for _ in range(count)
    ]

    def read(row: int) -> np.ndarray:
        """Draw one row."""
        stripes_W = np.arange(16) // rows[row][0] % 2 * 200
        noise_HWC = np.random.default_rng((seed, row)).integers(0, 50, (16, 16, 3))
        return (stripes_W[None, :, None] + noise_HWC).astype(np.uint8)

    return Source(
        name="stripes",
        ids=tuple(map(str, range(len(rows)))),
        labels=tuple(f"{width} px" for width, _ in rows),
        train=np.array([trains for _, trains in rows]),
        texts=None,
        read=read,
        stamp=f"stripes-1-{seed}",
        origin=f"stripes drawn with seed {seed}",
    )
