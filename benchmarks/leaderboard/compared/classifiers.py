"""What another classifier changes: `resnet50:mlp2` against `resnet50`, paired row by row and seed by seed."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.leaderboard.columns import Column, render
from benchmarks.leaderboard.markdown import escape, number
from benchmarks.leaderboard.sections import Entry, Section, pairs
from benchmarks.leaderboard.tables import family_sizes, interval
from benchmarks.leaderboard.ties import corrected
from benchmarks.records import stats
from benchmarks.records.kinds import marked_name
from benchmarks.records.record import Record

Pair = tuple[Entry, Entry]  # an entry, and its strategy with the linear classifier on the same backbone


def changed(section: Section) -> list[str]:
    """Return the table of the classifiers that were measured beside the linear one; nothing if there is none."""
    linear = {entry.key: entry for entry in section.entries if ":" not in entry.backbone}
    asked = [(entry, linear.get((entry.backbone.partition(":")[0], entry.strategy))) for entry in section.entries]
    rows = [(entry, plain) for entry, plain in asked if plain and plain is not entry and _common(entry, plain)]
    if not rows:
        return []
    rows.sort(key=lambda pair: pair[0].backbone)  # stable: within a backbone as ranked
    columns: list[Column[Pair]] = [
        Column("backbone", lambda pair: pair[0].backbone, escape, left=True),
        Column("strategy", lambda pair: marked_name(pair[0].strategy), escape, left=True),
        Column("seeds", lambda pair: len({ours.seed for ours, _ in _common(*pair)})),
    ]
    for stage, result in reversed(list(enumerate(section.first.stages))):
        columns += [_linear(result.name, stage), _minus(rows, result.name, stage)]
    note = (
        "Top-1 class mean of the linear classifier on the same backbone, and that of the classifier minus it, paired "
        f"and marked as above: Holm-corrected for the {family_sizes([entry.backbone for entry, _ in rows])}."
    )
    return [render(columns, rows), note]


def _linear(name: str, stage: int) -> Column[Pair]:
    return Column(f"{name}: linear", lambda pair: pair[1].scores[stage].mean("class-mean"), number)


def _minus(rows: Sequence[Pair], name: str, stage: int) -> Column[Pair]:
    found = {}
    for entry, plain in rows:
        both = [(ours.stages[stage], theirs.stages[stage]) for ours, theirs in _common(entry, plain)]
        if both[0][0].rows:
            found[entry.key] = stats.class_mean([ours for ours, _ in both], [theirs for _, theirs in both])
    marks = corrected(found, lambda key: key[0])
    return Column(
        f"{name}: minus linear",
        lambda pair: marks.get(pair[0].key),
        lambda one: interval(one and one.difference, one and one.real),
    )


def _common(entry: Entry, plain: Entry) -> list[tuple[Record, Record]]:
    return pairs(entry.records, plain.records)
