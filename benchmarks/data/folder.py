"""Your own images: a class/image tree, on disk or in a zip, a table of them, or a Hugging Face data set."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.data.base import Source
from benchmarks.data.layouts.folder_tree import read_tree
from benchmarks.data.layouts.given import require_readable
from benchmarks.data.layouts.image_files import LOOKED_FOR, build, in_zip, on_disk, part_of
from benchmarks.data.layouts.tables.csv_file import ENDINGS, is_csv, read_csv
from benchmarks.data.layouts.tables.hugging_face import is_hub_name, is_saved, read_named, read_saved
from benchmarks.data.layouts.tables.parquet import parquet_files, read_parquet
from benchmarks.data.layouts.tables.table import Asked, Table, joined, open_table
from benchmarks.data.layouts.walk import IMAGE_ENDINGS, images
from benchmarks.data.layouts.zipped import Zipped
from benchmarks.data.registry import dataset
from benchmarks.support.errors import UserError

_DEEP = 5  # folders down to the first image: two wrappers, train/, the class, and one within
_NOTHING = Asked()


def find(path: Path, asked: Asked = _NOTHING) -> Callable[[], Source] | None:
    """Return a function that opens the images at `path`; None if there is neither a tree nor a table.

    Raises UserError if table options are given (`asked`) but there is no table.
    """
    if reader := _table(path, asked):
        return lambda: open_table(reader(), asked)
    if asked:
        raise UserError(
            f"--image-root, --label-column and --image-column belong to a table that lists images, and {path} is none; "
            "leave them out."
        )
    if path.is_file():
        return _find_zip(path) if path.suffix.lower() == ".zip" else None
    if not path.is_dir():
        return None
    return partial(_open_tree, path) if any("/" in image for image in images(path, _DEEP)) else None


def _table(path: Path, asked: Asked) -> Callable[[], Table] | None:
    """Return a function that reads the table at `path` (a data set's name or folder, a file, or a folder of files)."""
    if is_hub_name(path):
        return partial(read_named, path)
    if path.is_dir() and is_saved(path):
        return partial(read_saved, path)
    if path.is_dir():
        tables = [file for file in sorted(path.iterdir()) if file.is_file() and is_csv(file, asked)]
        if len(tables) == 1:
            return partial(read_csv, tables[0])
        parts = [part_of(re.split(r"[-_.]", file.stem)[0]) for file in tables]
        if tables and all(parts):  # train.csv, test.csv
            return lambda: joined(path, [read_csv(file) for file in tables], [part or "" for part in parts])
    elif path.suffix.lower() in ENDINGS and path.is_file():
        # a file named by the user is opened whatever its columns, so that the error says which are needed
        return partial(read_csv, path)
    files = parquet_files(path, asked)
    return partial(read_parquet, path, files) if files else None


@dataset(
    "folder",
    "your own images: a class/image tree, a CSV or Parquet table, a Hugging Face data set (--data PATH)",
    expects=LOOKED_FOR,
    recognise=lambda path: find(path) is not None,
    asked_last=True,  # the fashion dataset's folder holds a CSV too
)
def open_source(path: Path, image_root: str = "", label_column: str = "", image_column: str = "") -> Source:
    """Open a class/image tree, a table of images (the file, or the only one in the folder), or a Hugging Face data set.

    Folders `train/` and `test/` (or `val/`) above the classes, a split column, or the parts of a data set define
    the split; otherwise 30 % of each class are test rows, chosen by a hash of the path. `image_root`: the folder that
    contains a table's images (default: the table's folder). `label_column`, `image_column`: column names (default:
    found by their usual names). Raises UserError if nothing is found, for fewer than two classes, for table paths
    outside that folder, for missing or ambiguous columns, and for these options without a table.
    """
    if not is_hub_name(path):
        require_readable(path, LOOKED_FOR)
    opener = find(path, Asked(image_root, label_column, image_column))
    if opener is None:
        raise UserError(f"{path} holds no images in classes; looked for {LOOKED_FOR}.")
    return opener()


def _open_tree(root: Path) -> Source:
    """Open a tree of class folders."""
    tree = read_tree(list(images(root)), root)
    files = on_disk(tree.ids, [os.path.join(root, path) for path in tree.paths])
    return build(root, tree.ids, tree.labels, files, tree.train, notes=tree.notes)


def _find_zip(path: Path) -> Callable[[], Source] | None:
    """Return a function that opens the class tree in a zip; None if it holds no images in folders."""
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
