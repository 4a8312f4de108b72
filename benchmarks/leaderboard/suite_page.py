"""`<suite>/leaderboard.md`: ranking, one table per stage, differences from plain training, cost, failed cells."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from urllib.parse import quote

from benchmarks.leaderboard import describe, tables, texts
from benchmarks.leaderboard.columns import Column, render
from benchmarks.leaderboard.compared import classifiers, combinations, tuned
from benchmarks.leaderboard.figures.registry import Drawn
from benchmarks.leaderboard.markdown import escape, folded, page
from benchmarks.leaderboard.rankings import rankings
from benchmarks.leaderboard.sections import Section
from benchmarks.records.kinds import NOTE
from benchmarks.records.record import Record
from benchmarks.records.storage import safe_name
from benchmarks.support.words import counted

TITLES = {"head": "Head classes", "tail": "Tail classes", "all": "All classes"}


def suite_page(
    suite: str,
    found: Sequence[Section],
    failed: Sequence[Record],
    figures: Sequence[Drawn] = (),
    columns: Sequence[str] = (),
) -> str:
    """Return the text of a suite's leaderboard, from the sections of its finished records and the failed ones.

    `figures`: those of the suite; its page includes the ones that belong there, under the ranking that they show.
    `columns`: further ones on request (`requested.py`).
    """
    blocks = [f"# Leaderboard: {escape(suite)}"]
    if len({section.first.tuned is None for section in found}) > 1:
        blocks.append("Settings that `tune` chose have sections of their own, which show the default's figures too.")
    if len(plain := [section for section in found if section.first.tuned is None]) > 1:
        blocks.append(
            f"These records were measured under {len(plain)} different conditions (data, protocol, image size, recipe, "
            "first weights or split). Their figures must not be compared, so each has its own section."
        )
    for position, section in enumerate(found, start=1):
        if len(found) > 1:
            setup = section.first.setup
            given = f", {given}" if (given := describe.weights(section.first)) else ""
            given += tuned.title(section)
            blocks.append(f"## {position}. {escape(setup.dataset)}, {setup.protocol}, {setup.image_size} px{given}")
        own = [one for one in figures if one.page == "leaderboard" and one.section == position - 1]
        blocks += [*_section(section, own, columns), *tuned.table(section, found)]
    blocks += _failed(failed)
    return page(blocks)


def _section(section: Section, figures: Sequence[Drawn], columns: Sequence[str]) -> list[str]:
    """Return the blocks of one section."""
    everything = [record for entry in section.entries for record in entry.records]
    made = f"Measured {describe.dates(everything)} on {describe.machines(everything)}."
    backbones = sorted({entry.backbone for entry in section.entries})
    links = ", ".join(f"[{escape(name)}](per-class/{quote(safe_name(name))}.md)" for name in backbones)
    blocks = tuned.described(section)
    blocks += describe.limits(section.first, max(entry.seeds for entry in section.entries), section.splits)
    blocks += describe.splits(section.splits)
    blocks += [f"{describe.conditions(section.first)} {made}", describe.recipe(section.first)]
    merged = section.merged()
    blocks += [f"Class by class: {links}.", *rankings(merged), *([NOTE] if merged.transductive else [])]
    if figures and len(backbones) > 1:
        blocks.append(f"The figures show {escape(figures[0].backbone)}.")
    blocks += [one.markdown() for one in sorted(figures, key=lambda one: bool(one.folded))]
    blocks += texts.telling(section)
    shown = section if columns else merged  # entries with the same hits may differ in probabilities
    for stage, result in reversed(list(enumerate(section.first.stages))):
        blocks += [f"### {TITLES[result.name]}", _folded(tables.stage_table(shown, stage, columns))]
    blocks += ["### Against plain training", _folded(tables.against(merged, columns))]
    if changed := classifiers.changed(section):
        blocks += ["### What other classifiers change", _folded(changed)]
    if added := combinations.added(section):
        blocks += ["### What combinations add to their parts", _folded(added)]
    return [*blocks, "### Cost", _folded(tables.cost(section)), *describe.notes(everything)]


def _folded(blocks: Sequence[str]) -> str:
    """Return a table with its notes, folded; blocks without a table unchanged."""
    text = "\n\n".join(blocks)
    rows = sum(line.startswith("|") for line in blocks[0].splitlines()) - 2
    return folded(text, f"Table of {counted(rows, 'row')}") if rows > 0 else text


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
