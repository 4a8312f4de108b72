"""What a combination adds to its parts: `a+b` against `a` and `b` alone, paired row by row and seed by seed."""

from __future__ import annotations

from benchmarks.leaderboard.columns import Column, render
from benchmarks.leaderboard.compared.paired import BACKBONE, SEEDS, Pair, stage_columns
from benchmarks.leaderboard.markdown import escape
from benchmarks.leaderboard.sections import Entry, Section
from benchmarks.leaderboard.tables import family_sizes
from benchmarks.records.kinds import marked_name
from strategies.combining.expression import split

NAMES: tuple[Column[Pair], ...] = (
    Column("combination", lambda pair: marked_name(pair.entry.strategy), escape, left=True),
    Column("part", lambda pair: marked_name(pair.other.strategy), escape, left=True),
)


def added(section: Section) -> list[str]:
    """Return the table of the combinations whose parts were measured alone too; nothing if there is none."""
    rows = [Pair(entry, part) for entry in section.entries for part in _parts(section, entry)]
    if not rows:
        return []
    columns = [BACKBONE, *NAMES, SEEDS, *stage_columns(section, rows, "part alone", "the combination adds")]
    note = (
        "Top-1 class mean of each part alone, and that of the combination minus it, paired and marked as above: "
        f"Holm-corrected for the {family_sizes([pair.entry.backbone for pair in rows])}. "
        "Only combinations all of whose parts were measured under the same conditions."
    )
    return [render(columns, rows), note]


def _parts(section: Section, entry: Entry) -> list[Entry]:
    """Return the entries of a combination's parts, in order; none if one is missing or it is not a combination."""
    texts = split(entry.strategy, "+")
    alone = {e.strategy: e for e in section.entries if e.backbone == entry.backbone}
    found = [alone[text] for text in texts if text in alone and section.comparable(entry, text)]
    return found if len(texts) > 1 and len(found) == len(texts) else []
