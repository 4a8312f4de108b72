"""scikit-learn's handwritten digits made long-tailed: real data, nothing to download, trained in seconds.

The test part is balanced. The training part keeps `n_max * r^(i / (C - 1))` rows of the i-th class, the usual
long-tailed count (Cui et al. 2019, Class-Balanced Loss, arXiv:1901.05555, who make long-tailed CIFAR this way).
"""

from __future__ import annotations

import numpy as np

from benchmarks.data.base import Source
from benchmarks.data.registry import dataset
from benchmarks.support.keys import content_key, generator

VERSION = 1  # raise it when rows or pixels change: it is part of the data's stamp
TEST_ROWS_PER_CLASS = 50
MOST_TRAINING_ROWS = 120  # the rarest digit has 174 images, 50 of them for the test
IMBALANCE = 40.0  # training rows of the first class over those of the last: 120 to 3
SIDE_PX = 32


@dataset("digits", "scikit-learn's handwritten digits, made long-tailed")
def open_source(seed: int = 0) -> Source:
    """Return 10 digits, 347 training rows with a long tail and 500 balanced test rows.

    `seed` chooses which images train and test; the counts per class stay. Classes are "0" (most rows) to "9". Pixels:
    8x8 grey enlarged to uint8 [32, 32, 3] RGB. No texts.
    """
    import cv2
    from sklearn.datasets import load_digits

    digits = load_digits()
    rows, train = _split(digits.target, seed)

    def read(row: int) -> np.ndarray:
        """Return one row enlarged, uint8 [32, 32, 3]."""
        small_HW = np.rint(digits.images[rows[row]] * (255 / 16)).astype(np.uint8)
        large_HW = cv2.resize(small_HW, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_LINEAR)
        return np.repeat(large_HW[:, :, None], 3, axis=2)

    return Source(
        name="digits",
        ids=tuple(str(row) for row in rows),
        labels=tuple(str(digit) for digit in digits.target[rows]),
        train=train,
        texts=None,
        read=read,
        stamp=content_key(["digits", VERSION, seed]),
        origin=f"scikit-learn's handwritten digits, long-tailed with seed {seed}",
        fixed_split=False,
    )


def training_rows(classes: int = 10) -> list[int]:
    """Return the training rows per class, most first: int(n_max * r^(i / (C - 1))) with r = 1 / `IMBALANCE`."""
    return [int(MOST_TRAINING_ROWS * IMBALANCE ** (-i / (classes - 1))) for i in range(classes)]


def _split(labels: np.ndarray, seed: int) -> tuple[list[int], np.ndarray]:
    """Return the rows kept, shuffled, and which of them train, bool [N]."""
    kept: list[tuple[int, bool]] = []
    for digit, count in enumerate(training_rows()):
        own = generator("digits", seed, digit).permutation(np.flatnonzero(labels == digit)).tolist()
        kept += [(row, False) for row in own[:TEST_ROWS_PER_CLASS]]
        kept += [(row, True) for row in own[TEST_ROWS_PER_CLASS : TEST_ROWS_PER_CLASS + count]]
    order = generator("digits", seed, "order").permutation(len(kept))
    return [kept[i][0] for i in order], np.array([kept[i][1] for i in order], dtype=np.bool_)
