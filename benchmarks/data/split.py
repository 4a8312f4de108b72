"""The classes of each stage, and its training, validation and test rows; other splits of the same data."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchmarks.data.base import Loaded
from benchmarks.support.errors import UserError

StageName = Literal["head", "tail", "all"]
FEW = 10  # classes with fewer training rows keep all of them
FEWEST = 3  # the same limit if validation rows are folds


@dataclass(frozen=True, eq=False)
class StageData:
    """One stage's classes (indices into `Loaded.class_names`, most training rows first) and rows (int64, ascending)."""

    stage: int
    name: StageName
    classes: tuple[int, ...]
    train_rows: np.ndarray
    validation_rows: np.ndarray
    test_rows: np.ndarray


def stages(
    loaded: Loaded,
    protocol: Literal["two-stage", "joint"],
    head_classes: int,
    validation: float,
    seed: int = 0,
    folds: int = 0,
    fold: int = 0,
) -> tuple[StageData, ...]:
    """Split a dataset into the protocol's stages.

    "two-stage": stage 1 holds the `head_classes` classes with most training rows (validation rows counted), stage 2
    the other classes that have any. "joint": one stage of all classes with training rows; `head_classes` is not used.
    `validation` in [0, 1) is the part of each class's training rows set aside: floor(validation * n), at least one,
    for classes with ten training rows or more. Which rows depends on their ids and `seed` only. With `folds` K,
    `validation` is not used: the rows set aside are those of fold number `fold`, max(1, floor(n / K)) of each class
    with three training rows or more; folds 0 to K - 1 share no row where a class has K.
    Raises UserError for fewer than two classes in a stage and for fractions outside [0, 1).
    """
    if not 0 <= validation < 1:
        raise UserError(f"The validation part must be at least 0 and below 1, not {validation}.")
    trained = int((np.bincount(loaded.labels_N[loaded.train_N], minlength=len(loaded.class_names)) > 0).sum())
    if trained < 2:
        raise UserError(f"{loaded.origin} has {trained} class with training rows; a stage needs two.")
    borders: list[tuple[StageName, int, int]]
    if protocol == "joint":
        borders = [("all", 0, trained)]
    else:
        if not 2 <= head_classes <= trained - 2:
            border = "2" if trained == 4 else f"from 2 to {trained - 2}"
            hint = f"--head-classes {border}, or --protocol joint" if trained >= 4 else "--protocol joint"
            raise UserError(
                f"{loaded.origin} has {trained} classes with training rows: with {head_classes} of them as head, "
                f"the head or the tail has fewer than two; give {hint}."
            )
        borders = [("head", 0, head_classes), ("tail", head_classes, trained)]
    held_N = _fold(loaded, folds, fold, seed) if folds else _validation(loaded, validation, seed)
    return tuple(
        _stage(loaded, held_N, i, name, range(first, last)) for i, (name, first, last) in enumerate(borders, start=1)
    )


def head_by_rows(counts_C: Sequence[int]) -> int:
    """Return how many of the most frequent classes hold half of the training rows; at least one, and never all.

    `counts_C` are sorted, most rows first.
    """
    reached = int(np.searchsorted(np.cumsum(counts_C), sum(counts_C) / 2)) + 1
    return max(1, min(reached, len(counts_C) - 1))


def redraw(labels_N: np.ndarray, train_N: np.ndarray, ids: Sequence[str], split: int) -> np.ndarray:
    """Return bool [N], False for redrawn test rows: as many per class as before, those with the lowest id hashes.

    Which rows depends on their ids and `split` only, a number from 1; 0 is the data's own split.
    """
    drawn_N = np.ones_like(train_N)
    for label in np.unique(labels_N):
        rows = np.flatnonzero(labels_N == label)
        ordered = sorted(rows.tolist(), key=lambda row: _rank(f"split {split}", ids[row]))
        drawn_N[ordered[: int((~train_N[rows]).sum())]] = False
    return drawn_N


def unseen(loaded: Loaded) -> tuple[int, int]:
    """Return the number of classes without training rows, and the number of their test rows."""
    counts_C = np.bincount(loaded.labels_N[loaded.train_N], minlength=len(loaded.class_names))
    return int((counts_C == 0).sum()), int((counts_C[loaded.labels_N] == 0).sum())


def _stage(loaded: Loaded, held_N: np.ndarray, stage: int, name: StageName, classes: range) -> StageData:
    """Collect one stage's rows."""
    in_N = (loaded.labels_N >= classes.start) & (loaded.labels_N < classes.stop)
    return StageData(
        stage=stage,
        name=name,
        classes=tuple(classes),
        train_rows=np.flatnonzero(in_N & loaded.train_N & ~held_N),
        validation_rows=np.flatnonzero(in_N & held_N),
        test_rows=np.flatnonzero(in_N & ~loaded.train_N),
    )


def _validation(loaded: Loaded, part: float, seed: int) -> np.ndarray:
    """Return bool [N]: the validation rows, those with the lowest id hashes of each class."""
    held_N = np.zeros(len(loaded.ids), dtype=bool)
    if part == 0:
        return held_N
    for label in range(len(loaded.class_names)):
        rows = np.flatnonzero((loaded.labels_N == label) & loaded.train_N)
        if len(rows) >= FEW:
            count = max(1, int(part * len(rows) + 1e-9))  # 0.29 * 100 is 28.999...
            ordered = sorted(rows.tolist(), key=lambda row: _rank(seed, loaded.ids[row]))
            held_N[ordered[:count]] = True
    return held_N


def _fold(loaded: Loaded, folds: int, fold: int, seed: int) -> np.ndarray:
    """Return bool [N]: the validation rows of one fold; every fold has the same number of each class."""
    held_N = np.zeros(len(loaded.ids), dtype=bool)
    for label in range(len(loaded.class_names)):
        rows = np.flatnonzero((loaded.labels_N == label) & loaded.train_N)
        if len(rows) >= FEWEST:
            count = max(1, len(rows) // folds)
            ordered = sorted(rows.tolist(), key=lambda row: _rank(seed, loaded.ids[row]))
            held_N[[ordered[(fold * count + k) % len(rows)] for k in range(count)]] = True
    return held_N


def _rank(seed: int | str, id_: str) -> bytes:
    """Return the sort key of a row for the draw within its class."""
    return hashlib.sha256(f"{seed}\x1f{id_}".encode()).digest()
