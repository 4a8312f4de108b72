"""For every class, the strategy with the highest top-1: the short answer to "which helps which classes"."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.leaderboard.columns import Column, render
from benchmarks.leaderboard.markdown import NOTHING, escape, number
from benchmarks.leaderboard.sections import BASELINE, Entry
from benchmarks.leaderboard.ties import kind
from benchmarks.records.kinds import IMAGES, marked_name
from benchmarks.records.record import StageResult

FEWEST = 3  # with fewer strategies the table of all of them is short enough


@dataclasses.dataclass(frozen=True)
class BestOfClass:
    """The best strategies of one class and their top-1, by kind; `plain`: that of plain training, NaN without it."""

    name: str
    train: int
    test: int
    plain: float
    best: Mapping[str, tuple[tuple[str, ...], float]]


COLUMNS: tuple[Column[BestOfClass], ...] = (
    Column("class", lambda row: row.name, escape, left=True),
    Column("training rows", lambda row: f"{row.train:,}"),
    Column("test rows", lambda row: f"{row.test:,}"),
    Column(BASELINE, lambda row: number(row.plain, 2)),
)


def _columns(what: str) -> list[Column[BestOfClass]]:
    """Return the columns of the best strategies of a kind."""
    return [
        Column("best" if what == IMAGES else f"best with {what}", lambda row: _named(row.best[what][0])),
        Column("its top-1", lambda row: number(row.best[what][1], 2)),
        Column("gain", lambda row: number(row.best[what][1] - row.plain, 2, signed=True)),
    ]


def best_of_class(result: StageResult, entries: Sequence[Entry], top1_EC: np.ndarray, stage: int) -> list[str]:
    """Return a table with the best strategy of every class that has test rows; nothing for few strategies or no rows.

    The best of each kind (`ties.kind`) is chosen by hits on the validation rows, and what is shown are test rows, so
    that luck on the test rows is not counted twice. `top1_EC`: top-1 of each entry and class on the test rows, NaN
    without any; `stage`: position.
    """
    if len(entries) < FEWEST:
        return []
    base = next((e for e, entry in enumerate(entries) if entry.strategy == BASELINE), None)
    hits_EC = np.array([np.mean([r.stages[stage].validation_top1_hits for r in e.records], axis=0) for e in entries])
    kinds_E = np.array([kind(entry) for entry in entries])
    kinds = sorted(set(kinds_E.tolist()), key=lambda what: (what != IMAGES, what))

    def best(what: str, c: int) -> tuple[tuple[str, ...], float]:
        own_E = kinds_E == what
        most = hits_EC[own_E, c].max()
        chosen_E = own_E & np.isclose(hits_EC[:, c], most, rtol=0, atol=1e-9) & bool(result.validation_n[c])
        holders = tuple(entry.strategy for entry, chosen in zip(entries, chosen_E, strict=True) if chosen)
        return holders, float(top1_EC[chosen_E, c].mean()) if holders else math.nan

    rows = []
    for c, name in enumerate(result.classes):
        if result.test_n[c]:
            plain = math.nan if base is None else float(top1_EC[base, c])
            found = {what: best(what, c) for what in kinds}
            rows.append(BestOfClass(name, result.train_n[c], result.test_n[c], plain, found))
    if not rows:
        return []
    note = (
        "*Best*: most hits on the class's validation rows, mean over seeds; its top-1 is on the test rows, the mean "
        "where several have as many hits. A dash where a class has no validation rows. Fewer than 5 test rows are no "
        "evidence."
    )
    return [render([*COLUMNS, *(column for what in kinds for column in _columns(what))], rows), note]


def _named(holders: Sequence[str]) -> str:
    """Return the first of the best strategies by name (plain training if it is one) and how many more there are."""
    if not holders:
        return NOTHING
    first = BASELINE if BASELINE in holders else min(holders)
    return escape(marked_name(first)) + (f" and {len(holders) - 1} more" if len(holders) > 1 else "")
