"""Markdown that GitHub renders: inert names, numbers, tables with the best value of a column marked."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence

from benchmarks.support.errors import one_line

MARKER = "<!-- Made from the records by `python -m benchmarks leaderboard`; edits are overwritten. -->"
NOTHING = "–"
NO_BREAK = "\u00a0"

_INERT = str.maketrans(
    {c: f"\\{c}" for c in "\\`*_[]#~"}
    | {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "$": "&#36;", "@": "&#64;"}
)
_LINK = re.compile(r"://|www\.", re.IGNORECASE)


def escape(text: str) -> str:
    """Return `text` as one line of inert Markdown: no formatting, HTML, links, table borders, invisible characters."""
    inert = one_line(text).translate(_INERT)
    unlinked = _LINK.sub(lambda m: m[0].replace(":", "&#58;").replace(".", "&#46;"), inert)
    return unlinked or "(empty)"


def fenced(text: str) -> str:
    """Return lines as a code block whose fence none of them can close."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def number(value: float, digits: int = 3, signed: bool = False) -> str:
    """Return a number with that many decimals, a dash for NaN.

    Rounded to 9 decimals first, because the last bits of a sum differ between machines.
    """
    if math.isnan(value):
        return NOTHING
    text = f"{round(value, 9):{'+' if signed else ''},.{digits}f}"
    return text if text.strip("+-0.") else text.lstrip("+-")  # no "-0.000"


def mark_best(values: Sequence[float], texts: Sequence[str], lowest: bool = False) -> list[str]:
    """Return the texts with the best value's in bold. Equal texts tie; nothing is marked where all known values tie."""
    known = {value: text for value, text in zip(values, texts, strict=True) if not math.isnan(value)}
    if len(set(known.values())) < 2:
        return list(texts)
    best = known[min(known) if lowest else max(known)]
    return [f"**{text}**" if text == best else text for text in texts]


def table(headers: Sequence[str], columns: Sequence[Sequence[str]], left: int = 1) -> str:
    """Return a table of columns of finished cells; the first `left` are aligned left, the others right."""
    from tabulate import tabulate

    aligned = (["left"] * left + ["right"] * (len(headers) - left))[: len(headers)]
    rows = [list(row) for row in zip(*columns, strict=True)]
    return str(
        tabulate(rows, list(headers), tablefmt="pipe", disable_numparse=True, colalign=aligned if rows else None)
    )


def plain_html(text: str) -> str:
    """Return `text` as one line of inert HTML, for summaries, in which Markdown does not count."""
    return html.escape(one_line(text)).replace("@", "&#64;") or "(empty)"


def folded(block: str, summary: str) -> str:
    """Return a block that opens when its summary, HTML, is clicked."""
    return f"<details><summary>{summary}</summary>\n\n{block}\n\n</details>"


def page(blocks: Sequence[str]) -> str:
    """Join blocks into a file's text, with the marker on top and blank lines between."""
    return "\n\n".join((MARKER, *blocks)) + "\n"
