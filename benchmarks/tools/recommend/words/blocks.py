"""The parts of an answer's page: kept as JSON, rendered as Markdown here and as HTML in the report."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from benchmarks.leaderboard.markdown import escape, fenced, number, table
from benchmarks.records.stats import Difference


@dataclasses.dataclass(frozen=True)
class Block:
    """A heading, a paragraph, lines of a list, a command, or a table with a header and rows of texts."""

    kind: Literal["heading", "text", "list", "code", "table"]
    lines: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()

    def markdown(self) -> str:
        """Return the block as Markdown, its texts inert."""
        if self.kind == "table":
            columns = [[escape(row[c]) for row in self.rows] for c in range(len(self.header))]
            return table(self.header, columns, left=2)
        if self.kind == "code":
            return fenced("\n".join(self.lines))
        if self.kind == "heading":
            return f"## {escape(self.lines[0])}"
        return "\n".join(f"- {escape(line)}" if self.kind == "list" else escape(line) for line in self.lines)


def heading(text: str) -> Block:
    """Return a heading."""
    return Block("heading", (text,))


def text(line: str) -> Block:
    """Return a paragraph."""
    return Block("text", (line,))


def listed(lines: list[str]) -> Block:
    """Return a list."""
    return Block("list", tuple(lines))


def interval(one: Difference) -> str:
    """Return "+0.031 [+0.010, +0.052]"."""
    value = number(one.value, signed=True)
    if math.isnan(one.low):
        return value
    return f"{value} [{number(one.low, signed=True)}, {number(one.high, signed=True)}]"
