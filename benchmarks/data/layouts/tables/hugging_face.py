"""Hugging Face data sets, saved to disk or by name, through the library `datasets` (the extra `hf`)."""

from __future__ import annotations

import bisect
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.data.layouts.image_files import part_of
from benchmarks.data.layouts.tables.table import Table
from benchmarks.support.errors import UserError, one_line

if TYPE_CHECKING:
    import datasets

PREFIX = "hf:"
EXTRA = "pip install -e .[hf]"


def is_hub_name(path: Path) -> bool:
    """Whether --data names a data set instead of a path: hf:OWNER/NAME[:CONFIGURATION][@REVISION]."""
    return str(path).startswith(PREFIX)


def is_saved(path: Path) -> bool:
    """Whether `save_to_disk` wrote this folder."""
    return (path / "dataset_dict.json").is_file() or all(
        (path / name).is_file() for name in ("state.json", "dataset_info.json")
    )


def read_saved(path: Path) -> Table:
    """Return the rows of a folder written by `save_to_disk`. Raises UserError where it cannot be read."""
    return _read(path, lambda library: library.load_from_disk(str(path)))


def read_named(path: Path) -> Table:
    """Return the rows of the data set that `path` names, which is downloaded unless it is in the library's cache.

    Raises UserError if it does not exist or the hub cannot be reached.
    """
    rest, _, revision = str(path).removeprefix(PREFIX).partition("@")
    name, _, configuration = rest.partition(":")
    return _read(path, lambda library: library.load_dataset(name, configuration or None, revision=revision or None))


def _read(origin: Path, load: Callable[[Any], Any]) -> Table:
    """Return the data set that `load` returns, as a table."""
    try:
        import datasets
    except ImportError as error:
        raise UserError(f"{origin} is read by the library datasets, which is not installed: `{EXTRA}`.") from error
    try:
        loaded = load(datasets)
    except Exception as error:  # the library's errors share no base class
        raise UserError(f"{origin} cannot be loaded ({one_line(str(error)) or type(error).__name__}).") from error
    if isinstance(loaded, datasets.Dataset):
        return _table(origin, [loaded], None)
    parts = {name: part for name, part in loaded.items() if part_of(name)}
    if not parts and len(loaded) == 1:
        return _table(origin, list(loaded.values()), None)
    if not parts:
        raise UserError(f"{origin} has the splits {', '.join(loaded)}; expected train, and validation or test.")
    split = [name for name, part in parts.items() for _ in range(len(part))]
    left_out = {name: len(part) for name, part in loaded.items() if name not in parts}
    return _table(origin, list(parts.values()), split, left_out)


def _table(
    origin: Path, parts: list[datasets.Dataset], split: list[str] | None, left_out: dict[str, int] | None = None
) -> Table:
    """Return the rows of the parts, with the columns of the first."""
    from datasets import ClassLabel, Image, Value

    features = parts[0].features
    texts = [name for name, feature in features.items() if isinstance(feature, ClassLabel | Value)]
    texts = [name for name in texts if "binary" not in str(getattr(features[name], "dtype", ""))]
    images = [name for name, feature in features.items() if isinstance(feature, Image)]
    columns: dict[str, list[str]] = {name: [] for name in texts}
    for part in parts:
        for name, cells in part.select_columns(texts)[:].items() if texts else ():
            names = features[name].names if isinstance(features[name], ClassLabel) else None
            columns[name] += [_text(cell, names) for cell in cells]
    files = sorted({entry["filename"] for part in parts for entry in part.cache_files})
    return Table(
        origin,
        columns,
        {name: _reader(parts, name) for name in images},
        frozenset(name for name in texts if isinstance(features[name], ClassLabel)),
        split,
        [[Path(file).name, os.stat(file).st_size, os.stat(file).st_mtime_ns] for file in files],
        tuple((f"rows of the split {name}, left out", rows) for name, rows in (left_out or {}).items()),
    )


def _reader(parts: list[datasets.Dataset], name: str) -> Callable[[int], bytes | None]:
    """Return a function that reads a row's encoded image; rows are numbered across all parts."""
    from datasets import Image

    encoded = [part.select_columns([name]).cast_column(name, Image(decode=False)) for part in parts]
    starts = [0, *itertools.accumulate(len(part) for part in parts)]

    def read(row: int) -> bytes | None:
        """Return an image's bytes, from its file if the data set has none; None if there is neither."""
        part = bisect.bisect_right(starts, row) - 1
        image = encoded[part][row - starts[part]][name]
        if image is None or image["bytes"] is not None:
            return image and image["bytes"]
        return Path(image["path"]).read_bytes() if image["path"] and os.path.isfile(image["path"]) else None

    return read


def _text(cell: Any, names: list[str] | None) -> str:
    """Return a cell as text: a class by its name, "" for a missing value or a class below 0."""
    if cell is None or (names and cell < 0):
        return ""
    return names[cell] if names else str(cell)
