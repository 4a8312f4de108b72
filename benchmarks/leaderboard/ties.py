"""Which differences are real: tie groups, rank intervals, and marks corrected for multiple comparisons."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

from benchmarks.leaderboard.sections import Entry, Section, pairs
from benchmarks.records import stats
from benchmarks.records.kinds import kind_of
from benchmarks.records.multiple import LEVEL, benjamini_hochberg, holm, rank_intervals, tie_groups
from benchmarks.records.record import Record

K = TypeVar("K", bound=Hashable)


@dataclasses.dataclass(frozen=True)
class Placed:
    """An entry in its ranking: the tie group (1: cannot be told from the best) and the ranks that it may have."""

    entry: Entry
    group: int
    ranks: tuple[int, int]


def placed(entries: Sequence[Entry]) -> list[Placed]:
    """Place entries of one section, best first, by paired differences of the last stage's class mean.

    Pairs without a common seed and split cannot be told apart. See `multiple.py` for the corrections.
    """
    found: dict[tuple[int, int], tuple[float, float]] = {}

    def difference(a: int, b: int) -> tuple[float, float]:
        if (a, b) not in found:
            one = class_mean(pairs(entries[a].records, entries[b].records), -1)
            found[a, b] = (one.value, one.p) if one else (0.0, 1.0)
        return found[a, b]

    groups = tie_groups(len(entries), lambda a, b: difference(a, b)[1])
    ranks = rank_intervals(len(entries), difference)
    return [Placed(*place) for place in zip(entries, groups, ranks, strict=True)]


def class_mean(common: Sequence[tuple[Record, Record]], stage: int) -> stats.Difference | None:
    """Return the first's class mean in a stage minus the second's over `pairs`; None without pairs or test rows."""
    if not common or not common[0][0].stages[stage].rows:
        return None
    return stats.class_mean([a.stages[stage] for a, _ in common], [b.stages[stage] for _, b in common])


def kind(entry: Entry) -> str:
    """Return what the entry's strategy sees (see `kinds.py`)."""
    return kind_of(entry.strategy)


@dataclasses.dataclass(frozen=True)
class Marked:
    """A difference, whether it is real after the correction for all comparisons of its family, and its q-value."""

    difference: stats.Difference
    real: bool
    q: float


def marked(section: Section, entries: Sequence[Entry], stage: int, position: int) -> dict[tuple[str, str], Marked]:
    """Return, by entry key, the difference from plain training in a stage: overall (position 0) or class mean (1).

    Entries without a counterpart are left out. The entries of one backbone are a family (`corrected`).
    """
    found = {entry.key: pair[position] for entry in entries if (pair := section.differences(entry, stage))}
    return corrected(found, lambda key: key[0])


def corrected(found: Mapping[K, stats.Difference], family: Callable[[K], str]) -> dict[K, Marked]:
    """Return the differences with marks that Holm's procedure corrects for all comparisons of their family."""
    families: dict[str, list[K]] = {}
    for key in found:
        families.setdefault(family(key), []).append(key)
    marks: dict[K, Marked] = {}
    for keys in families.values():
        p_values = [found[key].p for key in keys]
        for key, p, q in zip(keys, holm(p_values), benjamini_hochberg(p_values), strict=True):
            marks[key] = Marked(found[key], bool(p <= LEVEL), float(q))
    return {key: marks[key] for key in found}
