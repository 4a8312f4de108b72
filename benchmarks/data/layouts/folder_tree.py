"""Class and part (train, test) of each image of a tree, from the paths alone, in a folder or a zip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.data.layouts.image_files import PARTS, VALIDATION_TRAINS, part_of, text_of
from benchmarks.support.errors import UserError

Rows = list[list[str]]  # paths, split at "/"


@dataclass(frozen=True)
class Tree:
    """The images with a class: path as given, id, class, and whether it is for training (None: not split)."""

    paths: list[str]
    ids: list[str]
    labels: list[str]
    train: list[bool] | None
    notes: tuple[tuple[str, int], ...]


def read_tree(paths: Sequence[str], origin: Path) -> Tree:
    """Read a class/image tree, or train/ and test/ folders of classes, at the top or below a single folder.

    val/ is training data if there is a test/, and test data if there is none. `notes` counts what was reassigned or
    left out. Raises UserError for train/ without test/ or val/, and the other way round.
    """
    cut = [path.split("/") for path in paths]
    rows = [row for row in cut if len(row) > 1]
    top = _single_folders(rows)
    folders: dict[str, Rows] = {}
    for row in rows:
        folders.setdefault(row[top], []).append(row)
    kinds = {name: _kind(name, of, top) for name, of in folders.items()}
    notes = (
        [(f"images, all of them in {_listed(['/'.join(rows[0][:top])])}, so its folders count", len(rows))]
        if top
        else []
    )
    outside = len(cut) - len(rows)
    if not any(kinds.values()):
        found, train = [(row, row[top]) for row in rows], None
    else:
        parts, noted = _parts(folders, kinds, origin)
        inside = [(row, trains) for row, trains in parts if len(row) > top + 2]
        outside += len(parts) - len(inside)
        found, train = [(row, row[top + 1]) for row, _ in inside], [trains for _, trains in inside]
        notes += noted
    return Tree(
        paths=["/".join(row) for row, _ in found],
        ids=[text_of("/".join(row[top:])) for row, _ in found],
        labels=[text_of(label) for _, label in found],
        train=train,
        notes=(*notes, *([("images outside of class folders, left out", outside)] if outside else [])),
    )


def _single_folders(rows: Rows) -> int:
    """Return the number of nested folders above all class folders: a wrapper folder is not a class."""
    top = 0
    while rows and len({row[top] for row in rows}) == 1 and all(len(row) > top + 2 for row in rows):
        top += 1
    return top


def _kind(name: str, rows: Rows, top: int) -> str | None:
    """Return the part that a folder's name means if it holds class folders, else None: a class may be called train."""
    return part_of(name) if any(len(row) > top + 2 for row in rows) else None


def _parts(
    folders: dict[str, Rows], kinds: dict[str, str | None], origin: Path
) -> tuple[list[tuple[list[str], bool]], list[tuple[str, int]]]:
    """Return the rows of the parts, training rows first, and notes on them."""
    named = {kind: [name for name in folders if kinds[name] == kind] for kind in (*PARTS, None)}
    train, validation, test, others = named.values()
    if not train or not (test or validation):
        has, lacks = (train, "test/ or val/") if train else ([*test, *validation], "train/")
        found = f" ({_listed(others)}: no such name, or no class folders in it)" if others else ""
        draw = f", or give {_listed(train)} itself, of which 30 % are then drawn for the test" if train else ""
        raise UserError(
            f"{origin} has class folders in {_listed(has)} but in no {lacks} next to it{found}; add one{draw}."
        )
    trains = [*train, *(validation if test else [])]
    remarks = [
        (f"images {VALIDATION_TRAINS}", validation if test else []),
        (f"images of {_listed(validation)}, used as test rows because there is no test/", [] if test else validation),
        (f"images of {_listed(others)}, left out", others),
    ]
    rows = [(row, name in trains) for name in (*trains, *(test or validation)) for row in folders[name]]
    return rows, [(what, sum(len(folders[name]) for name in names)) for what, names in remarks if names]


def _listed(names: list[str]) -> str:
    """Return the names of folders as text."""
    return text_of(", ".join(f"{name}/" for name in names))
