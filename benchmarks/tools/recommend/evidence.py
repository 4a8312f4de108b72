"""What the pick gains and costs on test rows, which chose nothing: paired with plain training, seed by seed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from benchmarks.records import stats
from benchmarks.records.bits import unpack_bits
from benchmarks.records.multiple import LEVEL, holm
from benchmarks.records.record import Record, StageResult
from benchmarks.records.stats import Difference

LEAST_TEST_ROWS = 6  # of a class; a sign test of fewer pairs never gets below 0.05


@dataclasses.dataclass(frozen=True)
class OfClass:
    """A class's difference in accuracy; `p`: after Holm's correction for all classes."""

    name: str
    train: int
    test: int
    difference: Difference
    p: float

    @property
    def real(self) -> bool:
        """Whether the difference is beyond chance, on enough test rows to say so."""
        return self.p <= LEVEL and self.test >= LEAST_TEST_ROWS


@dataclasses.dataclass(frozen=True)
class Part:
    """A group of classes: accuracy of plain training and of the pick, the difference, and the test rows behind it."""

    name: str
    plain: float
    pick: float
    difference: Difference
    rows: int
    classes: int


@dataclasses.dataclass(frozen=True)
class Evidence:
    """The pick against plain training on test rows, over `seeds` seeds."""

    seeds: int
    parts: tuple[Part, ...]
    classes: tuple[OfClass, ...]

    @property
    def head(self) -> Part | None:
        """The head's part."""
        return next((part for part in self.parts if part.name.startswith("head")), None)

    def gains(self) -> list[OfClass]:
        """Return the classes that gain, those beyond chance first, then most first."""
        found = (c for c in self.classes if c.difference.value > 0)
        return sorted(found, key=lambda c: (not c.real, -c.difference.value))

    def losses(self) -> list[OfClass]:
        """Return the classes that lose, those beyond chance first, then most first."""
        found = (c for c in self.classes if c.difference.value < 0)
        return sorted(found, key=lambda c: (not c.real, c.difference.value))


def evidence(pick: Sequence[Record], plain: Sequence[Record], head: int) -> Evidence | None:
    """Return the evidence, None without a common seed or test rows; the first `head` classes are the head."""
    theirs = {record.seed: record.stages[-1] for record in plain}
    pairs = [(record.stages[-1], theirs[record.seed]) for record in pick if record.seed in theirs]
    if not pairs or not pairs[0][0].rows:
        return None
    ours, others = [a for a, _ in pairs], [b for _, b in pairs]
    first = ours[0]
    tested_C = np.array(first.test_n) > 0
    is_head_C = np.arange(len(first.classes)) < head
    parts = [
        _part("class mean", ours, others, tested_C),
        _part("top-1", ours, others, tested_C, pooled=True),
        _part("head (class mean)", ours, others, tested_C & is_head_C),
        _part("other classes (class mean)", ours, others, tested_C & ~is_head_C),
    ]
    return Evidence(len(pairs), tuple(part for part in parts if part), tuple(_classes(ours, others)))


def _part(
    name: str, ours: Sequence[StageResult], theirs: Sequence[StageResult], which_C: np.ndarray, pooled: bool = False
) -> Part | None:
    first = ours[0]
    if not which_C.any():
        return None
    sizes_C = np.array(first.test_n)
    in_N = np.repeat(which_C, sizes_C)
    right = [np.stack([unpack_bits(s.top1_bits, s.rows)[in_N] for s in of]).astype(np.int8) for of in (ours, theirs)]
    sizes = [int(in_N.sum())] if pooled else sizes_C[which_C]
    ours_mean, plain_mean = (float(_mean(right_SN, sizes)) for right_SN in right)
    return Part(
        name, plain_mean, ours_mean, stats.compare(right[0] - right[1], sizes), int(in_N.sum()), int(which_C.sum())
    )


def _mean(right_SN: np.ndarray, sizes: Sequence[int] | np.ndarray) -> float:
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return float((np.add.reduceat(right_SN.mean(axis=0), starts) / np.asarray(sizes)).mean())


def _classes(ours: Sequence[StageResult], theirs: Sequence[StageResult]) -> list[OfClass]:
    first = ours[0]
    tested = [c for c, n in enumerate(first.test_n) if n]
    found = [stats.of_class(ours, theirs, c)[0] for c in tested]
    corrected = holm([difference.p for difference in found])
    return [
        OfClass(first.classes[c], first.train_n[c] + first.validation_n[c], first.test_n[c], difference, p)
        for c, difference, p in zip(tested, found, corrected, strict=True)
    ]
