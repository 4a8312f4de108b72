"""The rankings of a section: one per kind of strategy, in tie groups, the first screen of a suite's page."""

from __future__ import annotations

from benchmarks.leaderboard import describe, published, tables
from benchmarks.leaderboard.columns import BACKBONE, STRATEGY, Column, of_metric, render
from benchmarks.leaderboard.markdown import escape, folded, number
from benchmarks.leaderboard.sections import BASELINE, Entry, Section
from benchmarks.leaderboard.ties import Placed, kind, placed
from benchmarks.records import metrics
from benchmarks.records.kinds import IMAGES
from benchmarks.support.words import counted

MOST_ROWS = 20  # of all tables on the first screen
MOST_OF_OTHERS = 4  # of them for each kind of strategies that see more than images
RANKED_BY = ("class-mean", "overall")


def rankings(section: Section) -> list[str]:
    """Return a table for the strategies that see images alone and one for each other kind, with what they show."""
    kinds = sorted({kind(entry) for entry in section.entries}, key=lambda name: (name != IMAGES, name))
    found = {name: placed([entry for entry in section.entries if kind(entry) == name]) for name in kinds}
    reference = _published(section)
    left = MOST_ROWS - sum(min(len(found[name]), MOST_OF_OTHERS) for name in kinds[1:]) - bool(reference)
    blocks = []
    for name, rows in found.items():
        first = name == kinds[0]
        blocks.append("### Ranking" if name == IMAGES else f"### Ranking: {name}")
        blocks += _table(
            section, rows, max(left, MOST_OF_OTHERS) if first else MOST_OF_OTHERS, reference if first else None
        )
    return [*blocks, *_note(section)]


PLACES: tuple[Column[Placed], ...] = (
    Column("group", lambda row: row.group, left=True),
    Column("ranks", lambda row: "–".join(str(rank) for rank in dict.fromkeys(row.ranks)), left=True),
)


def ranking_columns(section: Section) -> list[Column[Entry]]:
    """Return the columns behind `PLACES`: top-1 per stage, the first with its spread over seeds, and the cost."""
    stages = range(len(section.first.stages))[::-1]
    seeds = {entry.seeds for entry in section.entries}
    return [
        *([BACKBONE] if len({entry.backbone for entry in section.entries}) > 1 else []),
        STRATEGY,
        *([Column[Entry]("seeds", lambda entry: entry.seeds)] if len(seeds) > 1 else []),
        *(
            of_metric(name, stage, _header(section, stage, name), spread=(stage, name) == (stages[0], RANKED_BY[0]))
            for stage in stages
            for name in RANKED_BY
        ),
        Column("cost alone", lambda entry: tables.mean(entry, "seconds_alone"), describe.seconds),
    ]


def _of_entry(column: Column[Entry]) -> Column[Placed]:
    """Return a column of entries as one of placed entries."""
    value, after = column.value, column.after
    return Column(
        column.header,
        lambda row: value(row.entry),
        column.format,
        best=column.best,
        after=None if after is None else lambda row: after(row.entry),
        left=column.left,
    )


def _table(section: Section, rows: list[Placed], most: int, reference: dict[str, str] | None) -> list[str]:
    """Return the table, folded after its first rows; plain training is always among those that are shown."""
    columns = [*PLACES, *map(_of_entry, ranking_columns(section))]
    if len(rows) <= most:
        return [render(columns, rows, reference)]
    plain = next((row for row in rows if BASELINE in row.entry.names), None)
    shown = rows[:most] if plain is None or plain in rows[:most] else [*rows[: most - 1], plain]
    rest = [row for row in rows if row not in shown]
    hidden = render(columns, rest, among=rows)
    return [render(columns, shown, reference, among=rows), folded(hidden, f"{len(rest)} more")]


def _note(section: Section) -> list[str]:
    """Return the notes on the tables: the essentials, then the definitions, folded."""
    first, seeds = section.entries[0], sorted({entry.seeds for entry in section.entries})
    constant = f"Backbone {escape(first.backbone)}. " if len({entry.backbone for entry in section.entries}) == 1 else ""
    if len(seeds) == 1:
        constant += f"{counted(seeds[0], 'seed')}. "
    brief = (
        f"{constant}Top-1 accuracy on the test rows, mean over seeds, ± their standard deviation. Strategies of "
        "group 1 cannot be told from the best."
    )
    if len({describe.machines(entry.records) for entry in section.entries}) > 1:
        brief += " Rows were trained on different machines, which the table of costs names: costs do not compare."
    note = (
        "*Class mean*: every class with test rows counts once; *top-1*: every row counts once. Sorted by "
        f"{_header(section, -1, RANKED_BY[0])}; the best of a column is bold. *Group 1* cannot be told from the best "
        "row (paired test, Holm-corrected for the rows it is compared with), the next group not from its own best. "
        "*Ranks*: all that a row may have, from all pairs, Holm-corrected together. Strategies in one row are "
        "right on the same test rows in every seed. *Cost alone*: training time of all the jobs that the row needs."
    )
    if _published(section):
        note += (
            " The last row is the study's published table and was not run here; classes missing from it count as zero."
        )
    return [brief, folded(note, "How to read it")]


def _header(section: Section, stage: int, metric: str) -> str:
    return f"{section.first.stages[stage].name} {metrics.get(metric).header}"


def _published(section: Section) -> dict[str, str] | None:
    """Return the row of the study's published figures, header -> text; None where it has none for this section."""
    found = {}
    for stage, result in enumerate(section.first.stages):
        values = published.summary(section.first, result)
        if values:
            found.update({_header(section, stage, name): number(values[name]) for name in RANKED_BY})
    return {"strategy": f"{published.WHO} ({published.LABEL})", **found} if found else None
