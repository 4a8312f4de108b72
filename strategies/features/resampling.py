"""imbalanced-learn on rows of numbers: each class brought to one size, however few samples it has.

N rows, M rows after resampling, F numbers per row. imbalanced-learn is imported where it is used: it takes a second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

MOST_NUMBERS = 2**27  # float32 in a resampled set: 512 MiB


class Sampler(Protocol):
    """The interface of imbalanced-learn's samplers."""

    def fit_resample(self, rows_NF: np.ndarray, labels_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the resampled rows [M, F] and labels [M]."""


# (neighbours, rows wanted by class, random state) -> sampler
MakeSampler = Callable[[int, Mapping[int, int], int], Any]


def state_of(seed: int, *more: int) -> int:
    """Return a random state for imbalanced-learn, in [0, 2**32), that depends on all the numbers."""
    return int(np.random.SeedSequence([seed, *more]).generate_state(1)[0])


def balanced(
    rows_NF: np.ndarray,
    labels_N: np.ndarray,
    seed: int,
    make: MakeSampler,
    neighbours: int,
    most_rows: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows [M, F] and labels [M] with every class that has samples brought to the size of the largest.

    A class of n samples is grown by `make(min(neighbours, n - 1), ...)`; one of a single sample, which has no
    neighbour, is repeated; one that the sampler cannot grow (Borderline-SMOTE without a sample in danger, ADASYN
    without a neighbour of another class, either with fewer rows than neighbours to look at) is grown by SMOTE. A class
    without samples stays empty, a single class is unchanged. If M would exceed `most_rows`, or M F the 512 MiB of
    `MOST_NUMBERS`, the common size is smaller, and larger classes are thinned to it at random.
    """
    from imblearn.under_sampling import RandomUnderSampler

    classes, counts = np.unique(labels_N, return_counts=True)
    if len(classes) < 2:
        return rows_NF, labels_N
    most = min(most_rows or MOST_NUMBERS, MOST_NUMBERS // max(rows_NF.shape[1], 1))
    size = min(int(counts.max()), max(most // len(classes), 1))
    if size < counts.max():
        kept = {int(c): min(int(n), size) for c, n in zip(classes, counts, strict=True)}
        thinned = RandomUnderSampler(sampling_strategy=kept, random_state=state_of(seed))
        rows_NF, labels_N = thinned.fit_resample(rows_NF, labels_N)
    grown = [(rows_NF, labels_N)]
    for c, n in zip(classes.tolist(), counts.tolist(), strict=True):
        if n < size:
            new_MF = _grown(rows_NF, labels_N, c, size, min(neighbours, n - 1), state_of(seed, c), make)
            grown.append((new_MF, np.full(len(new_MF), c, dtype=labels_N.dtype)))
    return np.concatenate([rows for rows, _ in grown]), np.concatenate([labels for _, labels in grown])


def _grown(
    rows_NF: np.ndarray, labels_N: np.ndarray, label: int, size: int, neighbours: int, state: int, make: MakeSampler
) -> np.ndarray:
    """Return the rows that bring one class to `size`."""
    from imblearn.over_sampling import SMOTE, RandomOverSampler

    wanted = {label: size}
    if not neighbours:
        repeated_MF, _ = RandomOverSampler(sampling_strategy=wanted, random_state=state).fit_resample(rows_NF, labels_N)
        return repeated_MF[len(rows_NF) :]
    try:
        more_MF, _ = make(neighbours, wanted, state).fit_resample(rows_NF, labels_N)
    except (ValueError, RuntimeError):  # no neighbour of another class, or too few rows
        more_MF = rows_NF
    if len(more_MF) == len(rows_NF):
        smote = SMOTE(sampling_strategy=wanted, k_neighbors=neighbours, random_state=state)
        more_MF, _ = smote.fit_resample(rows_NF, labels_N)
    return more_MF[len(rows_NF) :]


def without_tomek_links(rows_NF: np.ndarray, labels_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows without both ends of every Tomek link; a class that would lose all its rows keeps them."""
    from imblearn.under_sampling import TomekLinks

    if len(np.unique(labels_N)) < 2:
        return rows_NF, labels_N
    links = TomekLinks(sampling_strategy="all")
    links.fit_resample(rows_NF, labels_N)
    kept_N = np.zeros(len(labels_N), dtype=bool)
    kept_N[links.sample_indices_] = True
    lost = np.setdiff1d(labels_N, labels_N[kept_N])
    kept_N |= np.isin(labels_N, lost)
    return rows_NF[kept_N], labels_N[kept_N]
