"""Columns that compare entries with others of their section: their class means, and paired, marked differences."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from benchmarks.leaderboard.columns import Column
from benchmarks.leaderboard.markdown import escape, number
from benchmarks.leaderboard.sections import Entry, Section, pairs
from benchmarks.leaderboard.tables import marked_interval
from benchmarks.leaderboard.ties import class_mean, corrected
from benchmarks.records.record import Record


@dataclasses.dataclass(frozen=True)
class Pair:
    """An entry, and the one that it is compared with."""

    entry: Entry
    other: Entry

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Which pair of its section it is; the backbone of the entry comes first."""
        return (*self.entry.key, *self.other.key)

    @property
    def common(self) -> list[tuple[Record, Record]]:
        """The records of both for each split and seed that both have."""
        return pairs(self.entry.records, self.other.records)


BACKBONE: Column[Pair] = Column("backbone", lambda pair: pair.entry.backbone, escape, left=True)
SEEDS: Column[Pair] = Column("seeds", lambda pair: len({ours.seed for ours, _ in pair.common}))


def stage_columns(section: Section, rows: Sequence[Pair], alone: str, minus: str) -> list[Column[Pair]]:
    """Return two columns per stage, the last stage first: the other entry's class mean, and the difference from it.

    Marks are Holm-corrected over the differences on the same backbone. `alone`, `minus`: the two headers, after the
    stage.
    """
    found: list[Column[Pair]] = []
    for stage, result in reversed(list(enumerate(section.first.stages))):
        found += [_other(stage, f"{result.name}: {alone}"), _difference(rows, stage, f"{result.name}: {minus}")]
    return found


def _other(stage: int, header: str) -> Column[Pair]:
    return Column(header, lambda pair: pair.other.scores[stage].mean("class-mean"), number)


def _difference(rows: Sequence[Pair], stage: int, header: str) -> Column[Pair]:
    found = {pair.key: difference for pair in rows if (difference := class_mean(pair.common, stage))}
    marks = corrected(found, lambda key: key[0])
    return Column(header, lambda pair: marks.get(pair.key), marked_interval)
