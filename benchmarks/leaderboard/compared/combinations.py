"""What a combination adds to its parts: `a+b` against `a` and `b` alone, paired row by row and seed by seed."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.leaderboard.columns import Column, render
from benchmarks.leaderboard.markdown import escape, number
from benchmarks.leaderboard.sections import Entry, Section
from benchmarks.leaderboard.tables import family_sizes, interval
from benchmarks.leaderboard.ties import corrected
from benchmarks.records.kinds import marked_name
from strategies.combining.expression import split

Pair = tuple[Entry, Entry]  # a combination and one of its parts


def added(section: Section) -> list[str]:
    """Return the table of the combinations whose parts were measured alone too; nothing if there is none."""
    rows = [(entry, part) for entry in section.entries for part in _parts(section, entry)]
    if not rows:
        return []
    columns = _columns(section, rows)
    note = (
        "Top-1 class mean of each part alone, and that of the combination minus it, paired and marked as above: "
        f"Holm-corrected for the {family_sizes([combination.backbone for combination, _ in rows])}. "
        "Only combinations all of whose parts were measured under the same conditions."
    )
    return [render(columns, rows), note]


def _columns(section: Section, rows: Sequence[Pair]) -> list[Column[Pair]]:
    """Return the columns: the combination, the part, and per stage the part alone and what the combination adds."""
    columns: list[Column[Pair]] = [
        Column("backbone", lambda pair: pair[0].backbone, escape, left=True),
        Column("combination", lambda pair: marked_name(pair[0].strategy), escape, left=True),
        Column("part", lambda pair: marked_name(pair[1].strategy), escape, left=True),
        Column("seeds", lambda pair: len({ours.seed for ours, _ in section.comparable(pair[0], pair[1].strategy)})),
    ]
    for stage, result in reversed(list(enumerate(section.first.stages))):
        columns += [_alone(result.name, stage), _adds(section, rows, result.name, stage)]
    return columns


def _alone(name: str, stage: int) -> Column[Pair]:
    return Column(f"{name}: part alone", lambda pair: pair[1].scores[stage].mean("class-mean"), number)


def _adds(section: Section, rows: Sequence[Pair], name: str, stage: int) -> Column[Pair]:
    found = {_key(pair): both[1] for pair in rows if (both := section.differences(pair[0], stage, pair[1].strategy))}
    marks = corrected(found, lambda key: key[0])
    return Column(
        f"{name}: the combination adds",
        lambda pair: marks.get(_key(pair)),
        lambda one: interval(one and one.difference, one and one.real),
    )


def _key(pair: Pair) -> tuple[str, str, str]:
    return (*pair[0].key, pair[1].strategy)


def _parts(section: Section, entry: Entry) -> list[Entry]:
    """Return the entries of a combination's parts, in order; none if one is missing or it is not a combination."""
    texts = split(entry.strategy, "+")
    alone = {e.strategy: e for e in section.entries if e.backbone == entry.backbone}
    found = [alone[text] for text in texts if text in alone and section.comparable(entry, text)]
    return found if len(texts) > 1 and len(found) == len(texts) else []
