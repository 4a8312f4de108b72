"""A CSV that lists images: a path and a label column, a split and a text column where it has them."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

from benchmarks.data.base import Source
from benchmarks.data.layouts.image_files import PARTS, VALIDATION_TRAINS, build, on_disk, text_of
from benchmarks.support.errors import UserError

PATHS = ("path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "img")
LABELS = ("label", "class", "target", "category", "class_name", "articletype")
SPLITS = ("split", "subset", "partition", "fold")
TEXTS = ("text", "title", "name", "productdisplayname", "description", "caption")
ENDINGS = (".csv", ".tsv")
_SPLIT_WORDS = {word: part for part, words in PARTS.items() for word in words}


def is_table(path: Path) -> bool:
    """Whether the file is a CSV whose header has a path and a label column."""
    if path.suffix.lower() not in ENDINGS:
        return False
    try:
        header = next(_rows(path), [])
    except UserError:
        return False
    return _column(header, PATHS) is not None and _column(header, LABELS) is not None


def open_csv(path: Path) -> Source:
    """Open the images a CSV lists, by paths relative to its folder; UserError for paths that leave that folder.

    Rows without a path or label are dropped, and of rows with the same path the first counts; both are noted. Rows
    that the split column marks for validation train, for a run sets a part of its own aside. UserError for a split
    column with an unknown word, or without a test row.
    """
    rows = _rows(path)
    header = next(rows, [])
    at, label, split, text = (_column(header, names) for names in (PATHS, LABELS, SPLITS, TEXTS))
    if at is None or label is None:
        raise UserError(f"{path} needs a path column ({', '.join(PATHS)}) and a label column ({', '.join(LABELS)}).")
    base = os.path.realpath(path.parent)
    files: dict[str, list[str]] = {}  # by id
    dropped = repeated = 0
    for row in rows:
        cells = row + [""] * (len(header) - len(row))
        if not cells[at].strip() or not cells[label].strip():
            dropped += 1
            continue
        id_ = text_of(os.path.relpath(_inside(base, cells[at], path), base))
        if id_ in files:
            repeated += 1
        else:
            files[id_] = cells
    kept = list(files.values())
    parts = None if split is None else [_part(cells[split], path) for cells in kept]
    if parts is not None and "test" not in parts:
        raise UserError(
            f"{path} marks no row as test in its split column (those for validation train here); mark the rows that "
            "are to be scored, or take the column away and 30 % of each class are drawn."
        )
    notes = (
        ("rows without a path or a label, dropped", dropped),
        ("rows that repeat a path, dropped", repeated),
        (f"rows {VALIDATION_TRAINS}", (parts or []).count("validation")),
    )
    ids = list(files)
    return build(
        path,
        ids=ids,
        labels=[cells[label].strip() for cells in kept],
        images=on_disk(ids, [os.path.join(base, cells[at]) for cells in kept]),
        train=None if parts is None else [part != "test" for part in parts],
        texts=None if text is None else [cells[text] for cells in kept],
        notes=tuple(note for note in notes if note[1]),
    )


def _rows(path: Path) -> Iterator[list[str]]:
    """Yield the rows of a CSV, header first; the delimiter is the one that cuts the header most often."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            delimiter = max(",;\t", key=first.count)
            yield from (row for row in csv.reader(file, delimiter=delimiter) if row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as a UTF-8 CSV ({error}).") from error


def _column(header: list[str], names: tuple[str, ...]) -> int | None:
    """Return the position of the first of `names` that the header has."""
    lower = [cell.strip().lower() for cell in header]
    return next((lower.index(name) for name in names if name in lower), None)


def _inside(base: str, cell: str, table: Path) -> str:
    """Return the path a cell names, links followed; UserError where it leaves the CSV's folder."""
    try:
        real = os.path.realpath(os.path.join(base, cell))
    except ValueError:
        raise UserError(f"{table} lists {cell!r}, which is no path.") from None
    if os.path.commonpath([base, real]) != base:
        raise UserError(
            f"{table} lists {cell!r}, which lies outside its folder; put the images beside or below the CSV."
        )
    return os.path.normpath(os.path.join(base, cell))


def _part(cell: str, table: Path) -> str:
    """Read a split cell: "train", "validation" or "test"."""
    word = cell.strip().lower()
    if word not in _SPLIT_WORDS:
        raise UserError(f"{table} has {cell!r} in its split column; expected one of {', '.join(_SPLIT_WORDS)}.")
    return _SPLIT_WORDS[word]
