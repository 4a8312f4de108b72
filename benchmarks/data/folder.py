"""Your own images: a class/image tree, on disk or in a zip, or a CSV with path and label columns."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.data.base import Source
from benchmarks.data.layouts import folder_csv
from benchmarks.data.layouts.folder_tree import read_tree
from benchmarks.data.layouts.given import require_readable
from benchmarks.data.layouts.image_files import LOOKED_FOR, build, in_zip, on_disk
from benchmarks.data.layouts.walk import IMAGE_ENDINGS, images
from benchmarks.data.layouts.zipped import Zipped
from benchmarks.data.registry import dataset
from benchmarks.support.errors import UserError

_DEEP = 5  # folders down to the first image: two wrappers, train/, the class, and one within


def find(path: Path, image_root: str = "") -> Callable[[], Source] | None:
    """Return what opens the images at `path`, or None where there is neither a tree nor a CSV.

    Raises UserError for an `image_root` (see `folder_csv.open_csv`) where there is no CSV.
    """
    if table := _table(path):
        return partial(folder_csv.open_csv, table, Path(image_root) if image_root else None)
    if image_root:
        raise UserError(f"--image-root belongs to a CSV that lists images, and {path} is none; leave it out.")
    if path.is_file():
        return _find_zip(path) if path.suffix.lower() == ".zip" else None
    if not path.is_dir():
        return None
    return partial(_open_tree, path) if any("/" in image for image in images(path, _DEEP)) else None


def _table(path: Path) -> Path | None:
    """Return the CSV at `path`: the file itself, or the only one in the folder that lists images."""
    if path.is_dir():
        tables = [file for file in sorted(path.iterdir()) if file.is_file() and folder_csv.is_table(file)]
        return tables[0] if len(tables) == 1 else None
    # a CSV given as a file is opened with any columns, so that the error says which are needed
    return path if path.is_file() and path.suffix.lower() in folder_csv.ENDINGS else None


@dataset(
    "folder",
    "your own images: a class/image tree (folder or zip), or a CSV with path and label columns (--data PATH)",
    expects=LOOKED_FOR,
    recognise=lambda path: find(path) is not None,
    asked_last=True,  # the fashion dataset's folder holds a CSV too
)
def open_source(path: Path, image_root: str = "") -> Source:
    """Open a class/image tree, or a CSV (the file, or the only one in the folder) with path and label columns.

    Folders `train/` and `test/` (or `val/`) above the classes, or a split column, are the split; otherwise 30 % of
    each class test, chosen by a hash of the path. `image_root`: the folder below which a CSV's images are; default:
    the CSV's own. Raises UserError where neither is found, for fewer than two classes, for a CSV's paths that leave
    that folder, and for an `image_root` without a CSV.
    """
    require_readable(path, LOOKED_FOR)
    opener = find(path, image_root)
    if opener is None:
        raise UserError(f"{path} holds no images in classes; looked for {LOOKED_FOR}.")
    return opener()


def _open_tree(root: Path) -> Source:
    """Open a tree of class folders."""
    tree = read_tree(list(images(root)), root)
    files = on_disk(tree.ids, [os.path.join(root, path) for path in tree.paths])
    return build(root, tree.ids, tree.labels, files, tree.train, notes=tree.notes)


def _find_zip(path: Path) -> Callable[[], Source] | None:
    """Return what opens the class tree in a zip, None where it holds no images in folders."""
    zipped = Zipped(path)
    members = [member for member in zipped.members if os.path.splitext(member)[1].lower() in IMAGE_ENDINGS]
    shown = sorted((m for m in members if not any(part.startswith(".") for part in m.split("/"))), key=_place)

    def opener() -> Source:
        """Open the tree."""
        tree = read_tree(shown, path)
        return build(path, tree.ids, tree.labels, in_zip(zipped, tree.paths), tree.train, notes=tree.notes)

    return opener if any("/" in member for member in shown) else None


def _place(member: str) -> list[tuple[bool, str]]:
    """Return the sort key of a member for the order of `images`, which lists a folder's files before its folders."""
    *folders, name = member.split("/")
    return [*((True, folder) for folder in folders), (False, name)]
