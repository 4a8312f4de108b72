"""`<suite>/leaderboard.md`: ranking, one table per stage, differences from plain training, cost, failed cells."""

from __future__ import annotations

import dataclasses
import math
import textwrap
from collections.abc import Sequence
from urllib.parse import quote

from benchmarks.leaderboard import combinations, describe, published, tables, texts
from benchmarks.leaderboard.columns import BACKBONE, STRATEGY, Column, of_metric, render
from benchmarks.leaderboard.markdown import escape, number, page
from benchmarks.leaderboard.sections import Entry, Section
from benchmarks.records import metrics
from benchmarks.records.record import Record
from benchmarks.records.storage import safe_name

TITLES = {"head": "Head classes", "tail": "Tail classes", "all": "All classes"}


def suite_page(suite: str, found: Sequence[Section], failed: Sequence[Record]) -> str:
    """Return the text of a suite's leaderboard, from the sections of its finished records and the failed ones."""
    blocks = [f"# Leaderboard: {escape(suite)}"]
    if len(found) > 1:
        blocks.append(
            f"These records were measured under {len(found)} different conditions (data, protocol, image size, recipe, "
            "first weights or split). Their figures must not be compared, so each has its own section."
        )
    for position, section in enumerate(found, start=1):
        if len(found) > 1:
            setup = section.first.setup
            given = f", {given}" if (given := describe.weights(section.first)) else ""
            blocks.append(f"## {position}. {escape(setup.dataset)}, {setup.protocol}, {setup.image_size} px{given}")
        blocks += _section(section)
    blocks += _failed(failed)
    return page(blocks)


def _section(section: Section) -> list[str]:
    """Return the blocks of one section."""
    everything = [record for entry in section.entries for record in entry.records]
    made = f"Measured {describe.dates(everything)} on {describe.machines(everything)}."
    backbones = sorted({entry.backbone for entry in section.entries})
    links = ", ".join(f"[{escape(name)}](per-class/{quote(safe_name(name))}.md)" for name in backbones)
    blocks = [f"{describe.conditions(section.first)} {made}", describe.recipe(section.first)]
    blocks += [f"Class by class: {links}.", "### Ranking", *_ranking(section), *texts.telling(section)]
    for stage, result in reversed(list(enumerate(section.first.stages))):
        blocks += [f"### {TITLES[result.name]}", *tables.stage_table(section, stage)]
    blocks += ["### Against plain training", *tables.against(section), *combinations.added(section)]
    return [*blocks, "### Cost", *tables.cost(section), *describe.notes(everything)]


_RANKED_BY = ("class-mean", "overall")


def ranking_columns(section: Section) -> list[Column[Entry]]:
    """Return the columns of the ranking: top-1 with its spread over seeds, per stage, and the cost."""
    position = {(entry.backbone, entry.strategy): k for k, entry in enumerate(section.entries, start=1)}
    return [
        Column("", lambda entry: position[entry.backbone, entry.strategy], left=True),
        BACKBONE,
        STRATEGY,
        Column("seeds", lambda entry: entry.seeds),
        *(_with_spread(section, stage, name) for stage in _last_first(section) for name in _RANKED_BY),
        Column("cost alone", lambda entry: tables.mean(entry, "seconds_alone"), describe.seconds),
    ]


def _last_first(section: Section) -> list[int]:
    """Return the positions of the stages, the last one first."""
    return list(range(len(section.first.stages)))[::-1]


def _header(section: Section, stage: int, metric: str) -> str:
    return f"{section.first.stages[stage].name} {metrics.get(metric).header}"


def _with_spread(section: Section, stage: int, metric: str) -> Column[Entry]:
    """Return the column "mean ± sd" of a metric; without sd for a single seed."""

    def spread(entry: Entry) -> str:
        sd = entry.scores[stage].deviation(metric)
        return "" if math.isnan(sd) else f" ± {number(sd)}"

    return dataclasses.replace(of_metric(metric, stage, _header(section, stage, metric)), after=spread)


def _ranking(section: Section) -> list[str]:
    """Return the table that has everything in short, and what it shows."""
    ranked_by = _header(section, -1, _RANKED_BY[0])
    note = "Top-1 accuracy on the test rows, mean over seeds ± standard deviation. *Class mean*: every class with test "
    note += f"rows counts once; *top-1*: every row counts once. Ranked by {ranked_by}; the best of a column is bold."
    reference = _published(section)
    if reference:
        note += (
            " The last row is the study's published table and was not run here; classes missing from it count as zero."
        )
    return [render(ranking_columns(section), section.entries, reference), note]


def _published(section: Section) -> dict[str, str] | None:
    """Return the row of the study's published figures, header -> text; None where it has none for this section."""
    found = {}
    for stage, result in enumerate(section.first.stages):
        values = published.summary(section.first, result)
        if values:
            found.update({_header(section, stage, name): number(values[name]) for name in _RANKED_BY})
    return {"backbone": f"{published.WHO} ({published.LABEL})", **found} if found else None


def _failed(records: Sequence[Record]) -> list[str]:
    """Return the table of failed cells, or nothing."""
    if not records:
        return []
    ordered = sorted(records, key=lambda r: (r.backbone, r.strategy, r.seed))
    columns: list[Column[Record]] = [
        Column("backbone", lambda record: record.backbone, escape, left=True),
        Column("strategy", lambda record: record.strategy, escape, left=True),
        Column("seed", lambda record: record.seed, left=True),
        Column("error", lambda record: textwrap.shorten(record.error or "", 300), escape, left=True),
    ]
    return ["## Failed cells", render(columns, ordered)]
