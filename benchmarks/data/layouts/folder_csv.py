"""A CSV that lists images: a path and a label column, optionally a split and a text column."""

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
SECOND_LABEL = "paths with a second label, of which the first counts"
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


def open_csv(path: Path, image_root: Path | None = None) -> Source:
    """Open the images a CSV lists, by absolute paths or by paths from its folder or from `image_root`.

    UserError for an image that is not below `image_root` (default: the CSV's folder), links followed.
    Rows without a path or label are dropped, and of rows with the same path the first is kept; the notes count both.
    Rows that the split column marks for validation are training rows, because a run sets its own part aside. UserError
    for a split column with an unknown word, or without a test row.
    """
    rows = _rows(path)
    header = next(rows, [])
    at, label, split, text = (_column(header, names) for names in (PATHS, LABELS, SPLITS, TEXTS))
    if at is None or label is None:
        raise UserError(f"{path} needs a path column ({', '.join(PATHS)}) and a label column ({', '.join(LABELS)}).")
    root = _Root(path, image_root)
    found: dict[str, str] = {}  # file by id
    labels: dict[str, str] = {}
    kept: list[list[str]] = []
    second: list[str] = []
    dropped = repeated = 0
    for row in rows:
        cells = row + [""] * (len(header) - len(row))
        if not cells[at].strip() or not cells[label].strip():
            dropped += 1
            continue
        file = root.file(cells[at])
        id_ = text_of(root.relative(file))
        if id_ in found:
            repeated += 1
            if cells[label].strip() != labels[id_]:
                second.append(f"{id_} ({labels[id_]}, then {cells[label].strip()})")
        else:
            found[id_], labels[id_] = file, cells[label].strip()
            kept.append(cells)
    parts = None if split is None else [_part(cells[split], path) for cells in kept]
    if parts is not None and "test" not in parts:
        raise UserError(
            f"{path} marks no row as test in its split column (validation rows are training rows here); mark "
            "the rows to score, or remove the column to have 30 % of each class drawn."
        )
    notes = (
        ("rows without a path or a label, dropped", dropped),
        ("rows that repeat a path, dropped", repeated),
        (SECOND_LABEL, len(second)),
        (f"rows {VALIDATION_TRAINS}", (parts or []).count("validation")),
    )
    ids = list(found)
    return build(
        path,
        ids=ids,
        labels=list(labels.values()),
        images=on_disk(ids, list(found.values())),
        train=None if parts is None else [part != "test" for part in parts],
        texts=None if text is None else [cells[text] for cells in kept],
        notes=tuple(note for note in notes if note[1]),
        named={SECOND_LABEL: tuple(second)} if second else {},
    )


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


def _column(header: list[str], names: tuple[str, ...]) -> int | None:
    """Return the position of the first of `names` that the header has."""
    lower = [cell.strip().lower() for cell in header]
    return next((lower.index(name) for name in names if name in lower), None)


class _Root:
    """The folder below which a table's images are, and the folders from which its relative paths start."""

    def __init__(self, table: Path, image_root: Path | None) -> None:
        """UserError for an `image_root` that is not a folder."""
        if image_root is not None and not image_root.is_dir():
            raise UserError(f"--image-root {image_root} is not a folder; give one that is above all images.")
        self._table = table
        own = os.path.realpath(table.parent)
        self._root = own if image_root is None else os.path.realpath(image_root)
        self._starts = tuple(dict.fromkeys((own, self._root)))

    def file(self, cell: str) -> str:
        """Return the first existing file that a cell can mean; UserError for one that is not below the root."""
        files = [os.path.normpath(os.path.join(start, cell)) for start in self._starts]
        allowed = [file for file in files if self._is_below(file, cell)]
        if not allowed:
            raise UserError(
                f"{self._table} lists {cell!r}, which is outside {self._root}; give the folder above all images with "
                "--image-root DIR."
            )
        return next(filter(os.path.exists, allowed), allowed[0])

    def relative(self, file: str) -> str:
        """Return the path of a file from the root."""
        below = os.path.commonpath([self._root, file]) == self._root
        return os.path.relpath(file if below else os.path.realpath(file), self._root)

    def _is_below(self, file: str, cell: str) -> bool:
        """Whether a file is below the root, links followed."""
        try:
            return os.path.commonpath([self._root, os.path.realpath(file)]) == self._root
        except ValueError:
            raise UserError(f"{self._table} lists {cell!r}, which is not a path.") from None


def _part(cell: str, table: Path) -> str:
    """Read a split cell: "train", "validation" or "test"."""
    word = cell.strip().lower()
    if word not in _SPLIT_WORDS:
        raise UserError(f"{table} has {cell!r} in its split column; expected one of {', '.join(_SPLIT_WORDS)}.")
    return _SPLIT_WORDS[word]
