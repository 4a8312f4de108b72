"""`README.md` of an output folder: its suites, the commands that measured them, and the pages over several suites."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from benchmarks.leaderboard import describe
from benchmarks.leaderboard.columns import Column, render
from benchmarks.leaderboard.compared import across, agreement, protocols
from benchmarks.leaderboard.markdown import escape, fenced, number, page
from benchmarks.leaderboard.sections import Section
from benchmarks.records.record import Record
from benchmarks.suites.reproduce import section_command
from benchmarks.support.errors import one_line

INDEX = Path("README.md")
Suite = tuple[str, Sequence[Record]]

COLUMNS: tuple[Column[Suite], ...] = (
    Column("suite", lambda suite: f"[{escape(suite[0])}]({quote(suite[0])}/leaderboard.md)", left=True),
    Column("data set", lambda suite: ", ".join(sorted({r.setup.dataset for r in suite[1]})), escape, left=True),
    Column("records", lambda suite: len(suite[1])),
    Column("failed", lambda suite: sum(record.status == "failed" for record in suite[1])),
    Column("backbones", lambda suite: len({record.backbone for record in suite[1]})),
    Column("strategies", lambda suite: len({record.strategy for record in suite[1]})),
    Column("seeds", lambda suite: len({record.seed for record in suite[1]})),
    Column("hours", lambda suite: describe.training_hours(suite[1]), functools.partial(number, digits=1)),
    Column("measured", lambda suite: describe.dates(suite[1])),
    Column("commits", lambda suite: describe.commits(suite[1])),
    Column("machines", lambda suite: describe.machines(suite[1])),
)
OVER_SUITES = {
    across.PAGE: "Strategies across data sets",
    agreement.PAGE: "Do rankings hold under another recipe?",
    protocols.PAGE: "Two stages or one?",
}


def index_page(loaded: Mapping[str, Sequence[Record]], made: Mapping[str, Sequence[Section]], pages: list[Path]) -> str:
    """Return the page of all suites, from their records and sections; `pages`: those over several suites.

    Commands that do not fit on one line or hold `<` or `>`, as crafted records can cause, are left out.
    """
    commands = [
        section_command([record for entry in section.entries for record in entry.records])
        for _, sections in sorted(made.items())
        for section in sections
    ]
    commands = [command for command in commands if command == one_line(command) and not set("<>") & set(command)]
    return page(
        [
            "# Results",
            "Every figure is computed from the records in `<suite>/records/` (one JSON file per cell: backbone x "
            "strategy x seed). `python -m benchmarks leaderboard --out <this folder>` writes these pages again, "
            "`--check` says whether they match the records.",
            render(COLUMNS, sorted(loaded.items())),
            "*Hours*: training time of all jobs, those that cells share counted once; features of frozen backbones and "
            "scoring are not in it. *Commits*: of the code that trained, where the records name it.",
            *([" ".join(f"[{OVER_SUITES[path]}]({path.as_posix()})" for path in pages)] if pages else []),
            "Measured by these commands, in the order of the pages and their sections:",
            fenced("\n".join(commands)),
        ]
    )
