"""`<suite>/leaderboard.md`: ranking, one table per stage, differences from plain training, cost, failed cells."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from urllib.parse import quote

from benchmarks.leaderboard import combinations, describe, published, tables, texts
from benchmarks.leaderboard.markdown import NOTHING, escape, mark_best, number, page, table
from benchmarks.leaderboard.sections import Section, StageScores
from benchmarks.records.record import Record, safe_name

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
            first = section.first
            given = f", {given}" if (given := describe.weights(first)) else ""
            blocks.append(f"## {position}. {escape(first.dataset)}, {first.protocol}, {first.image_size} px{given}")
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


def _ranking(section: Section) -> list[str]:
    """Return the table that has everything in short: top-1 with its spread over seeds, per stage, and the cost."""
    headers = ["", "backbone", "strategy", "seeds"]
    columns = [[str(k) for k in range(1, len(section.entries) + 1)], *tables.names(section.entries)]
    columns.append([str(entry.seeds) for entry in section.entries])
    references = [published.summary(section.first, stage) for stage in section.first.stages]
    reference = [NOTHING, f"{published.WHO} ({published.LABEL})", NOTHING, NOTHING]
    for stage, result in reversed(list(enumerate(section.first.stages))):
        for field, label in (("class-mean", "class mean"), ("overall", "top-1")):
            headers.append(f"{result.name} {label}")
            columns.append(_spread_column([entry.scores[stage] for entry in section.entries], field))
            reference.append(number(known[field]) if (known := references[stage]) else NOTHING)
    headers.append("cost alone")
    columns.append([describe.seconds(tables.mean(entry, "seconds_alone")) for entry in section.entries])
    reference.append(NOTHING)
    note = "Top-1 accuracy on the test rows, mean over seeds ± standard deviation. *Class mean*: every class with test "
    note += f"rows counts once; *top-1*: every row counts once. Ranked by {headers[4]}; the best of a column is bold."
    if any(references):
        columns = [[*column, cell] for column, cell in zip(columns, reference, strict=True)]
        note += (
            " The last row is the study's published table and was not run here; classes missing from it count as zero."
        )
    return [table(headers, columns, left=3), note]


def _spread_column(scores: Sequence[StageScores], field: str) -> list[str]:
    """Return "mean ± sd" per entry, the best mean bold; without sd for a single seed."""
    means = [score.mean(field) for score in scores]
    sds = [score.deviation(field) for score in scores]
    marked = mark_best(means, [number(mean) for mean in means])
    return [text if math.isnan(sd) else f"{text} ± {number(sd)}" for text, sd in zip(marked, sds, strict=True)]


def _failed(records: Sequence[Record]) -> list[str]:
    """Return the table of failed cells, or nothing."""
    if not records:
        return []
    ordered = sorted(records, key=lambda r: (r.backbone, r.strategy, r.seed))
    cells = [
        [escape(r.backbone), escape(r.strategy), str(r.seed), escape(textwrap.shorten(r.error or "", 300))]
        for r in ordered
    ]
    headers = ["backbone", "strategy", "seed", "error"]
    return ["## Failed cells", table(headers, [list(c) for c in zip(*cells, strict=True)], left=4)]
