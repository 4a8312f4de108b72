"""CSV files as tables of text."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from benchmarks.data.layouts.tables.columns import LABELS, PATHS, first_of
from benchmarks.data.layouts.tables.table import Asked, Table
from benchmarks.support.errors import UserError

ENDINGS = (".csv", ".tsv")


def is_csv(path: Path, asked: Asked) -> bool:
    """Whether the file is a CSV whose header has a path and a label column, by the usual names or the user's."""
    if path.suffix.lower() not in ENDINGS:
        return False
    try:
        header = next(_rows(path), [])
    except UserError:
        return False
    image, label = ((asked.image_column,) if asked.image_column else PATHS), asked.label_column
    found_label = label in header if label else first_of(header, LABELS) is not None
    return found_label and (image[0] in header if asked.image_column else first_of(header, image) is not None)


def read_csv(path: Path) -> Table:
    """Return the table; short rows are padded. Raises UserError for a file that is not a UTF-8 CSV."""
    rows = _rows(path)
    header = next(rows, [])
    columns: list[list[str]] = [[] for _ in header]
    for row in rows:
        for position, cells in enumerate(columns):
            cells.append(row[position] if position < len(row) else "")
    found: dict[str, list[str]] = {}
    for name, cells in zip(header, columns, strict=True):
        found.setdefault(name.strip(), cells)
    return Table(path, found)


def _rows(path: Path) -> Iterator[list[str]]:
    """Yield the rows of a CSV, header first; the delimiter is the one that is most frequent in the header."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            delimiter = max(",;\t", key=first.count)
            yield from (row for row in csv.reader(file, delimiter=delimiter) if row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as a UTF-8 CSV ({error}).") from error
