"""Tables whose rows are images, and their conversion to a `Source`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.data.base import Source
from benchmarks.data.layouts.image_files import PARTS, VALIDATION_TRAINS, Images, build, on_disk, part_of, text_of
from benchmarks.data.layouts.tables.columns import SPLITS, TEXTS, first_of, image_column, label_column
from benchmarks.data.layouts.tables.image_root import ImageRoot
from benchmarks.support.errors import UserError
from benchmarks.support.keys import content_key

SECOND_LABEL = "paths with a second label, of which the first counts"


@dataclass(frozen=True)
class Asked:
    """The user's options for a table; "" where unset. `image_root`: the folder that contains all images."""

    image_root: str = ""
    label_column: str = ""
    image_column: str = ""

    def __bool__(self) -> bool:
        """Whether any option is set."""
        return bool(self.image_root or self.label_column or self.image_column)


@dataclass(frozen=True, eq=False)
class Table:
    """R rows: `columns` as text, and `embedded`, columns of encoded images that are read row by row.

    `classes`: the columns with a class type. `split`: the part of each row, if the files define it and no column
    does. `stamp`: plain JSON values that change when embedded images do.
    """

    origin: Path
    columns: Mapping[str, Sequence[str]]
    embedded: Mapping[str, Callable[[int], bytes | None]] = field(default_factory=dict)
    classes: frozenset[str] = frozenset()
    split: Sequence[str] | None = None
    stamp: Any = None
    notes: tuple[tuple[str, int], ...] = ()


def joined(origin: Path, tables: Sequence[Table], parts: Sequence[str]) -> Table:
    """Concatenate tables of paths, with the columns that all of them have; each table is one part of the data."""
    common = [name for name in tables[0].columns if all(name in table.columns for table in tables)]
    columns = {name: [cell for table in tables for cell in table.columns[name]] for name in common}
    lengths = [len(next(iter(table.columns.values()), ())) for table in tables]
    split = [part for part, length in zip(parts, lengths, strict=True) for _ in range(length)]
    return Table(origin, columns, split=split)


def open_table(table: Table, asked: Asked) -> Source:
    """Open the images that a table holds, or lists by path (absolute, or relative to its folder or `image_root`).

    Rows without a path or label are dropped, and of rows with the same path the first is kept; the notes count both.
    Rows that the split column marks for validation are training rows, because a run sets its own part aside. Raises
    UserError for an image outside `image_root` (default: the table's folder) after following links, for a split
    column with an unknown word or without a test row, and for missing or ambiguous columns.
    """
    columns = list(table.columns)
    image = image_column(table.origin, columns, list(table.embedded), asked.image_column)
    label = label_column(table.origin, [name for name in columns if name != image], table.classes, asked.label_column)
    labels = [cell.strip() for cell in table.columns[label]]
    kept, ids, images, notes, named = (_held if image in table.embedded else _listed)(table, image, labels, asked)
    split, text = first_of(columns, SPLITS), first_of([c for c in columns if c not in (label, image)], TEXTS)
    cells = table.columns[split] if split else table.split
    parts = None if cells is None else [_part(cells[row], table.origin) for row in kept]
    if parts is not None and "test" not in parts:
        if split:
            raise UserError(
                f"{table.origin} marks no row as test in its split column (validation rows are training rows here); "
                "mark the rows to score, or remove the column to have 30 % of each class drawn."
            )
        parts = _without_test(parts)
    validation = (parts or []).count("validation")
    notes = [*table.notes, *notes, (f"rows {VALIDATION_TRAINS}", validation)]
    return build(
        table.origin,
        ids=ids,
        labels=[labels[row] for row in kept],
        images=images,
        train=None if parts is None else [part != "test" for part in parts],
        texts=None if text is None else [table.columns[text][row] for row in kept],
        notes=tuple(note for note in notes if note[1]),
        named=named,
    )


_Rows = tuple[list[int], list[str], Images, list[tuple[str, int]], dict[str, tuple[str, ...]]]


def _listed(table: Table, image: str, labels: Sequence[str], asked: Asked) -> _Rows:
    """Return the kept rows of a table of paths, their ids and images, notes, and the places of mistakes."""
    root = ImageRoot(table.origin, Path(asked.image_root) if asked.image_root else None)
    found: dict[str, str] = {}  # file by id
    kept: dict[str, int] = {}
    second: list[str] = []
    dropped = repeated = 0
    for row, (cell, label) in enumerate(zip(table.columns[image], labels, strict=True)):
        if not cell.strip() or not label:
            dropped += 1
            continue
        file = root.file(cell)
        id_ = text_of(root.relative(file))
        if id_ in found:
            repeated += 1
            if label != labels[kept[id_]]:
                second.append(f"{id_} ({labels[kept[id_]]}, then {label})")
        else:
            found[id_], kept[id_] = file, row
    notes = [
        ("rows without a path or a label, dropped", dropped),
        ("rows that repeat a path, dropped", repeated),
        (SECOND_LABEL, len(second)),
    ]
    ids, named = list(found), {SECOND_LABEL: tuple(second)} if second else {}
    return list(kept.values()), ids, on_disk(ids, list(found.values())), notes, named


def _held(table: Table, image: str, labels: Sequence[str], asked: Asked) -> _Rows:
    """Like `_listed`, for a table that holds its images; ids are row numbers, after the part if there is one."""
    if asked.image_root:
        raise UserError(f"{table.origin} holds its images, so --image-root has no meaning; leave it out.")
    read, kept = table.embedded[image], [row for row, label in enumerate(labels) if label]
    ids = [str(row) if table.split is None else f"{table.split[row]}-{row}" for row in kept]
    images = Images(lambda row: read(kept[row]), content_key(["table", image, table.stamp, len(labels)]))
    return kept, ids, images, [("rows without a label, dropped", len(labels) - len(kept))], {}


def _without_test(parts: list[str]) -> list[str] | None:
    """Use validation rows as test rows; None (a split is drawn) if there are no validation or no training rows."""
    if "validation" not in parts or "train" not in parts:
        return None
    return ["test" if part == "validation" else part for part in parts]


def _part(cell: str, table: Path) -> str:
    """Read a split cell: "train", "validation" or "test"."""
    if (part := part_of(cell)) is None:
        known = ", ".join(word for words in PARTS.values() for word in words)
        raise UserError(f"{table} has {cell!r} in its split column; expected one of {known}.")
    return part
