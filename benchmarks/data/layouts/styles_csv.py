"""Read the fashion dataset's styles.csv, which is not clean CSV: names hold unescaped commas and quotes."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass

from benchmarks.support.errors import UserError

NAME = "productDisplayName"
NEEDED = ("id", "articleType", "year", NAME)
MOST_LINES = 50  # in one quoted cell; a quote that stays open for more lines is an ordinary character
_LINE_ENDS = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True)
class Styles:
    """The table as text: `columns` maps each name to R cells; `notes` counts repairs."""

    columns: dict[str, tuple[str, ...]]
    notes: tuple[tuple[str, int], ...]


def parse(content: bytes, where: str) -> Styles:
    """Parse styles.csv; a surplus comma belongs to the product name, a quote inside a cell is an ordinary character.

    One row is one line, unless a quoted cell holds the line end; an opening quote that is never closed stays in its
    row. Rows without an id or an article type are dropped, of rows with the same id the first is kept.
    `where` names the file in errors. Raises UserError when a needed column is absent.
    """
    text = content.decode("utf-8-sig", errors="replace")
    lines = _LINE_ENDS.split(text)
    try:
        rows = _rows(lines)
    except csv.Error as error:
        raise UserError(f"{where} is not a table of comma-separated rows ({error}).") from error
    header = [cell.strip() for cell in rows[0]] if rows else []
    if missing := [name for name in NEEDED if name not in header]:
        raise UserError(f"{where} lacks the column {missing[0]!r}; the columns looked for are {', '.join(NEEDED)}.")
    styles = repair(rows[1:], header)
    damaged = (
        sum("\ufffd" in "".join(row) for row in zip(*styles.columns.values(), strict=True)) if "\ufffd" in text else 0
    )
    return Styles(styles.columns, styles.notes + ((("rows that are not UTF-8", damaged),) if damaged else ()))


def _rows(lines: list[str]) -> list[list[str]]:
    """Split lines into cells, joining lines only where a quoted cell spans them."""
    rows: list[list[str]] = []
    position = 0
    while position < len(lines):
        row, end = _row(lines, position, len(rows[0]) if rows else 0)
        if row:
            rows.append(row)
        position = end
    return rows


def _row(lines: list[str], start: int, width: int) -> tuple[list[str], int]:
    """Return the row that starts at line `start`, and the line after it; `width` is the number of columns."""
    cells, open_quote = _cells(lines[start])
    text, end = lines[start], start + 1
    while open_quote and end < min(len(lines), start + MOST_LINES):
        if width and len(_cells(lines[end])[0]) >= width:
            break  # the next line is a complete row: the quote was an ordinary character
        text, end = f"{text}\n{lines[end]}", end + 1
        joined, open_quote = _cells(text)
        if not open_quote:
            return joined, end
    return (cells if not open_quote else lines[start].split(",")), start + 1


def _cells(text: str) -> tuple[list[str], bool]:
    """Return the cells of one row's text, and whether a quoted cell is still open at its end."""
    reader = csv.reader([*(line + "\n" for line in text.split("\n")), ""])
    row = next(reader, [])
    return row, reader.line_num > text.count("\n") + 1


def repair(rows: list[list[str]], header: list[str]) -> Styles:
    """Give every row as many cells as the header; drop rows without id or label and repeated ids; count both."""
    name, id_, label = header.index(NAME), header.index("id"), header.index("articleType")
    joined = short = dropped = repeated = 0
    kept: list[list[str]] = []
    seen: set[str] = set()
    for row in rows:
        surplus = len(row) - len(header)
        if surplus > 0:
            row = [*row[:name], ",".join(row[name : name + surplus + 1]), *row[name + surplus + 1 :]]
        elif surplus < 0:
            row = row + [""] * -surplus
        row[id_], row[label] = row[id_].strip(), row[label].strip()
        if not row[id_] or not row[label]:
            dropped += 1
        elif row[id_] in seen:
            repeated += 1
        else:
            seen.add(row[id_])
            joined, short = joined + (surplus > 0), short + (surplus < 0)
            kept.append(row)
    notes = (
        ("rows whose name held an unquoted comma", joined),
        ("rows cut short", short),
        ("rows without an id or an article type, dropped", dropped),
        ("rows that repeat an id, dropped", repeated),
    )
    columns = {column: tuple(row[i] for row in kept) for i, column in enumerate(header)}
    return Styles(columns, tuple(note for note in notes if note[1]))
