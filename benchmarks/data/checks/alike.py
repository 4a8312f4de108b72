"""Pairs of rows that show the same image, or nearly the same, in two classes or in both parts of the data.

Shapes: N rows, T pixels a side of a tiny copy, P pairs.
"""

from __future__ import annotations

import numpy as np

# Two images are near-duplicates if the RMS difference of their tiny copies is below SHARE times their contrast
# (standard deviation), clipped to LEAST..MOST of 255 levels. JPEG and resizing change them by less than one level.
SHARE, LEAST, MOST = 0.05, 1.0, 4.0
MOST_PAIRS = 5_000_000
_BLOCKS = 3  # per side: candidate pairs have similar mean colours in 3 x 3 blocks
_SAMPLE, _AT_ONCE = 2000, 50_000


def same(content_N: np.ndarray, groups_N: np.ndarray) -> list[np.ndarray]:
    """Return, for each content that occurs in more than one group, its rows in ascending order."""
    order_N = np.argsort(content_N, kind="stable")
    starts = np.flatnonzero(np.diff(content_N[order_N])) + 1
    found = [rows for rows in np.split(order_N, starts) if len(rows) > 1 and len(set(groups_N[rows].tolist())) > 1]
    return sorted(found, key=lambda rows: int(rows[0]))


def nearly_same(tiny_NTT3: np.ndarray, content_N: np.ndarray, groups_N: np.ndarray) -> np.ndarray | None:
    """Return the pairs of rows, int64 [P, 2], in different groups whose images are nearly but not exactly the same.

    Of rows with the same content in one group, only the first is compared. Returns None if more than about
    `MOST_PAIRS` pairs would have to be compared, for example because most images are nearly empty.
    """
    from scipy.spatial import cKDTree

    _, first_M = np.unique(np.stack([content_N, groups_N.astype(np.uint64)], axis=1), axis=0, return_index=True)
    rows_M = np.sort(first_M)
    side = tiny_NTT3.shape[1] // _BLOCKS
    shape = (len(rows_M), _BLOCKS, side, _BLOCKS, side, 3)
    blocks_MK = tiny_NTT3[rows_M].reshape(shape).mean(axis=(2, 4), dtype=np.float32).reshape(len(rows_M), -1)
    some_SK = blocks_MK[:: -(-len(rows_M) // _SAMPLE)]
    share = len(cKDTree(some_SK).query_pairs(MOST, p=np.inf, output_type="ndarray")) / len(some_SK) ** 2
    if share * len(rows_M) ** 2 > MOST_PAIRS:
        return None
    pairs_P2 = rows_M[cKDTree(blocks_MK).query_pairs(MOST, p=np.inf, output_type="ndarray").reshape(-1, 2)]
    left_P, right_P = pairs_P2.T
    pairs_P2 = pairs_P2[(groups_N[left_P] != groups_N[right_P]) & (content_N[left_P] != content_N[right_P])]
    tiny_ND = tiny_NTT3.reshape(len(tiny_NTT3), -1)
    near = [pairs[_near(tiny_ND, pairs)] for pairs in np.split(pairs_P2, range(_AT_ONCE, len(pairs_P2), _AT_ONCE))]
    found_P2 = np.concatenate(near)
    return found_P2[np.lexsort((found_P2[:, 1], found_P2[:, 0]))]


def _near(tiny_ND: np.ndarray, pairs_P2: np.ndarray) -> np.ndarray:
    """Return which pairs are nearly the same, bool [P]."""
    left_PD, right_PD = (tiny_ND[rows_P].astype(np.float32) for rows_P in pairs_P2.T)
    contrast_P = np.minimum(left_PD.std(axis=1), right_PD.std(axis=1))
    difference_P = np.sqrt(((left_PD - right_PD) ** 2).mean(axis=1))
    return difference_P < np.clip(SHARE * contrast_P, LEAST, MOST)
