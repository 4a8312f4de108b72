"""Find a table's label and image columns: the ones that the user named, else those with the usual names."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from backbones.errors import nearest
from benchmarks.support.errors import UserError, one_line

PATHS = ("path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "img")
LABELS = ("label", "class", "target", "category", "class_name", "articletype")
SPLITS = ("split", "subset", "partition", "fold")
TEXTS = ("text", "title", "name", "productdisplayname", "description", "caption")


def first_of(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """Return the column with the first of `names` that exists, ignoring case; None if there is none."""
    lower = {column.strip().lower(): column for column in reversed(columns)}
    return next((lower[name] for name in names if name in lower), None)


def label_column(origin: Path, columns: Sequence[str], classes: Collection[str], given: str) -> str:
    """Return the label column: `given`, else the only one with a usual name, else the only one in `classes`.

    `classes`: the columns with a class type. Raises UserError, with the candidates, if there is none or more than one.
    """
    if given:
        return named(origin, columns, given, "--label-column")
    usual = [column for column in columns if column.strip().lower() in LABELS]
    found = usual or [column for column in columns if column in classes]
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(
            f"{origin} has several label columns ({_listed(found)}); choose one with --label-column {found[0]}."
        )
    raise UserError(
        f"{origin} needs a label column ({', '.join(LABELS)}); of its columns ({_listed(columns)}), name the one that "
        "holds the classes with --label-column."
    )


def image_column(origin: Path, columns: Sequence[str], embedded: Sequence[str], given: str) -> str:
    """Return the image column: `given`, else one that holds images, else one of paths with a usual name.

    Raises UserError if there is none, or if several hold images and none has a usual name.
    """
    if given:
        return named(origin, [*columns, *embedded], given, "--image-column")
    found = first_of(embedded, PATHS) or (embedded[0] if len(embedded) == 1 else None)
    if embedded and found is None:
        raise UserError(
            f"{origin} has several columns of images ({_listed(embedded)}); choose one with --image-column "
            f"{embedded[0]}."
        )
    if found := found or first_of(columns, PATHS):
        return found
    raise UserError(
        f"{origin} needs a path column ({', '.join(PATHS)}); of its columns ({_listed(columns)}), name the one that "
        "holds the paths with --image-column."
    )


def named(origin: Path, columns: Sequence[str], name: str, option: str) -> str:
    """Return the column `name`. Raises UserError, suggesting the nearest name, if it does not exist."""
    if name not in columns:
        raise UserError(
            f"{origin} has no column {name!r} ({option}){nearest(name, columns)}; it has {_listed(columns)}."
        )
    return name


def _listed(columns: Sequence[str], most: int = 20) -> str:
    shown = [one_line(column) for column in columns[:most]]
    return ", ".join(shown) + (", ..." if len(columns) > most else "")
