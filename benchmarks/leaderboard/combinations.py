"""What a combination adds to its parts: `a+b` beside `a` and `b` alone, paired row by row and seed by seed."""

from __future__ import annotations

from benchmarks.leaderboard import tables
from benchmarks.leaderboard.markdown import escape, number, table
from benchmarks.leaderboard.sections import Entry, Section
from strategies.combining.expression import split


def added(section: Section) -> list[str]:
    """Return heading and table of the combinations whose parts were measured alone too; nothing if there is none."""
    rows = [(entry, part) for entry in section.entries for part in _parts(section, entry)]
    if not rows:
        return []
    headers = ["backbone", "combination", "part", "seeds"]
    columns = tables.names([entry for entry, _ in rows])
    columns.append([escape(part.strategy) for _, part in rows])
    columns.append([str(len(section.comparable(entry, part.strategy))) for entry, part in rows])
    for stage, result in reversed(list(enumerate(section.first.stages))):
        headers += [f"{result.name}: part alone", f"{result.name}: the combination adds"]
        columns.append([number(part.scores[stage].mean("class-mean")) for _, part in rows])
        found = [section.differences(entry, stage, part.strategy) for entry, part in rows]
        columns.append([tables.interval(pair[1] if pair else None) for pair in found])
    note = (
        "Top-1 class mean of each part alone, and that of the combination minus it, paired and marked as above. "
        "Only combinations all of whose parts were measured under the same conditions."
    )
    return ["### What combinations add to their parts", table(headers, columns, left=3), note]


def _parts(section: Section, entry: Entry) -> list[Entry]:
    """Return the entries of a combination's parts, in order; none where one is missing or there is nothing joined."""
    texts = split(entry.strategy, "+")
    alone = {e.strategy: e for e in section.entries if e.backbone == entry.backbone}
    found = [alone[text] for text in texts if text in alone and section.comparable(entry, text)]
    return found if len(texts) > 1 and len(found) == len(texts) else []
