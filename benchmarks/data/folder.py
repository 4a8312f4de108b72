"""Your own images: a class/image tree, or a CSV with path and label columns."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.data import folder_csv
from benchmarks.data.base import Source
from benchmarks.data.image_files import LOOKED_FOR, build, text_of
from benchmarks.errors import UserError

IMAGE_ENDINGS = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"))
_TRAIN, _TEST, _VALIDATION = ("train", "training"), ("test", "testing"), ("val", "valid", "validation")


def find(path: Path) -> Callable[[], Source] | None:
    """Return what opens the images at `path`, or None where there is neither a tree nor a CSV."""
    if path.is_file():
        # a CSV that was named is opened whatever its columns, so that the error says which are needed
        return partial(folder_csv.open_csv, path) if path.suffix.lower() in folder_csv.ENDINGS else None
    if not path.is_dir():
        return None
    tables = [file for file in sorted(path.iterdir()) if file.is_file() and folder_csv.is_table(file)]
    if len(tables) == 1:
        return partial(folder_csv.open_csv, tables[0])
    return partial(_open_tree, path) if next(_images(path, depth=2), None) is not None else None


def open_source(path: Path) -> Source:
    """Open a class/image tree, or a CSV (the file, or the only one in the folder) with path and label columns.

    A `train/` and a `test/` (or `val/`) folder above the classes, or a split column, are the split; otherwise 30 % of
    each class test, chosen by a hash of the path. Raises UserError where neither is found, for fewer than two classes,
    and for a CSV's paths that leave its folder.
    """
    if not path.exists():
        raise UserError(f"{path} does not exist; expected {LOOKED_FOR}.")
    opener = find(path)
    if opener is None:
        raise UserError(f"{path} holds no images in classes; looked for {LOOKED_FOR}.")
    return opener()


def _open_tree(root: Path) -> Source:
    """Open a tree of class folders, or train/ and test/ folders of them."""
    inner = {child.name.lower(): child for child in root.iterdir() if child.is_dir()}
    train = next((inner[name] for name in _TRAIN if name in inner), None)
    tests = [inner[name] for name in (*_TEST, *_VALIDATION) if name in inner]
    parts: list[tuple[Path, bool | None]] = [(root, None)]
    notes: tuple[tuple[str, int], ...] = ()
    if train is not None and tests:
        parts = [(train, True), (tests[0], False)]
        if unused := sum(1 for other in tests[1:] for _ in _images(other)):
            notes = ((f"images of {', '.join(other.name for other in tests[1:])}/ left out", unused),)
    found = [(file, base, trains) for base, trains in parts for file in _images(base)]
    ids = [text_of(os.path.relpath(file, root)) for file, _, _ in found]
    labels = [text_of(os.path.relpath(file, base).split(os.sep)[0]) for file, base, _ in found]
    split = None if parts[0][1] is None else [bool(trains) for _, _, trains in found]
    return build(root, ids, labels, [file for file, _, _ in found], split, notes=notes)


def _images(root: Path, depth: int = 64) -> Iterator[str]:
    """Yield the image files that lie in folders below `root`, sorted by path, hidden ones left out."""
    stack: list[tuple[str, int]] = [(str(root), 0)]
    while stack:
        folder, level = stack.pop()
        names = _sorted_names(folder)
        for name, is_dir in names:
            if not is_dir and level > 0 and os.path.splitext(name)[1].lower() in IMAGE_ENDINGS:
                yield os.path.join(folder, name)
        # reversed, because the last one pushed is read first
        stack += [
            (os.path.join(folder, name), level + 1) for name, is_dir in reversed(names) if is_dir and level < depth
        ]


def _sorted_names(folder: str) -> list[tuple[str, bool]]:
    """Return the entries of a folder and whether each is a folder, by name, hidden ones left out."""
    with os.scandir(folder) as entries:
        return sorted((entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith("."))
