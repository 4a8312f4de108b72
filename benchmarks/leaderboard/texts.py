"""What records say about product names: how many contain the class, and when a fallback strategy used them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from benchmarks.leaderboard.columns import Column, render
from benchmarks.leaderboard.markdown import escape, number
from benchmarks.leaderboard.sections import Entry, Section

_STAGES = {"head": "the head's", "tail": "the tail's", "all": "the"}
_COUNTS = ("asked", "taken", "helped", "hurt")


def telling(section: Section) -> list[str]:
    """Return the sentence on the share of test rows whose name contains the class; nothing if it is not recorded."""
    records = [record for entry in section.entries for record in entry.records]
    told = next((record for record in records if record.extra.get("names")), None)
    if told is None:
        return []
    shares = [
        f"{100 * sum(told.extra['names'][stage.name]['telling']) / stage.rows:.0f} % of {_STAGES[stage.name]}"
        for stage in told.stages
        if stage.rows and stage.name in told.extra["names"]
    ]
    return [
        f"*Names*: a product's name contains all the words of its class's name, in singular or plural, in "
        f"{' and '.join(shares)} test rows. A strategy that reads names reads the answer there; with "
        "`mask-class-words=true` it is trained and tested without the words of all class names."
    ]


@dataclasses.dataclass(frozen=True)
class Asked:
    """One class (or all) under one strategy: test rows and each of `_COUNTS`, summed over seeds."""

    strategy: str
    label: str
    test: int
    counts: dict[str, int]


def _count(what: str) -> Column[Asked]:
    return Column(what, lambda row: f"{row.counts[what]:,}")


COLUMNS: tuple[Column[Asked], ...] = (
    Column("strategy", lambda row: row.strategy, escape, left=True),
    Column("class", lambda row: row.label, left=True),
    Column("test rows", lambda row: f"{row.test:,}"),
    *map(_count, _COUNTS),
)


def asked(entries: Sequence[Entry], stage: int) -> list[str]:
    """Return how often fallback strategies used the name in a stage, per class; nothing without such strategies."""
    falling = [(entry, told) for entry in entries if (told := _told(entry, stage))]
    rows = [row for entry, told in falling for row in _rows(entry, told, stage)]
    if not rows:
        return []
    fitted = "; ".join(
        f"{escape(entry.strategy)} threshold {number(t['threshold'], 2)}, temperature of the image model "
        f"{number(t['image_temperature'], 2)}, of the name's {number(t['text_temperature'], 2)}"
        for entry, told in falling
        for t in told
    )
    return [
        "### When the name was asked",
        render(COLUMNS, rows),
        "Test rows, summed over seeds; classes of which no row was asked are left out. *Asked*: the image model's top "
        "probability was under the threshold; *taken*: the name's model was more confident; *helped*: its answer was "
        f"right and the image model's wrong; *hurt*: the other way round. Used: {fitted}.",
    ]


def _told(entry: Entry, stage: int) -> list[dict[str, Any]]:
    """Return what the entry's records say about their fallback in a stage, one per seed."""
    given = [record.extra.get("text-fallback", {}).get(record.stages[stage].name) for record in entry.records]
    return [told for told in given if told]


def _rows(entry: Entry, told: Sequence[dict[str, Any]], stage: int) -> list[Asked]:
    """Return the rows of one entry: all classes, then each class of which a row was asked."""
    result = entry.records[0].stages[stage]
    test_C = [n * len(told) for n in result.test_n]
    counts = {what: [sum(of_class) for of_class in zip(*(t[what] for t in told), strict=True)] for what in _COUNTS}
    every = Asked(entry.strategy, "*all*", sum(test_C), {what: sum(count_C) for what, count_C in counts.items()})
    return [
        every,
        *(
            Asked(entry.strategy, escape(label), test_C[c], {what: count_C[c] for what, count_C in counts.items()})
            for c, label in enumerate(result.classes)
            if counts["asked"][c]
        ),
    ]
