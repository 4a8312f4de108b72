"""The three layouts of the fashion dataset: Kaggle's folder, Kaggle's zip, the Hugging Face hub's Parquet shards."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from benchmarks.data.layouts.shards import Shards, is_other
from benchmarks.data.layouts.styles_csv import NEEDED, Styles, parse, repair
from benchmarks.data.layouts.zipped import Zipped
from benchmarks.support.errors import UserError
from benchmarks.support.keys import content_key

CSV = "styles.csv"
LOOKED_FOR = (
    "Kaggle's folder (styles.csv next to images/<id>.jpg), Kaggle's zip, or a folder of Parquet shards (*.parquet or "
    f"data/*.parquet with the columns {', '.join(NEEDED)} and image)"
)
_IMAGE_ENDINGS = (".jpg", ".jpeg", ".png")
_INNER = ("images", "data")  # users often give one of these instead of the folder that contains them


@dataclass(frozen=True, eq=False)
class Layout:
    """The rows, `image(id)` for the encoded image of a row, and a stamp that changes with the files."""

    styles: Styles
    image: Callable[[str], bytes | None]
    stamp: str
    origin: str


def find(path: Path) -> Callable[[], Layout] | None:
    """Return a function that opens the dataset at `path`; None if it has none of the layouts. Reads no rows."""
    if path.is_file():
        if path.suffix.lower() == ".parquet":
            return partial(_open_shards, [path], None, path)
        if path.name == CSV:
            return find(path.parent)
        return partial(_open_zip, path) if path.suffix.lower() == ".zip" else None
    for folder in _candidates(path):
        with contextlib.suppress(PermissionError):  # an unreadable folder next to the dataset is not part of it
            if opener := _find_in(folder):
                return opener
    return None


def _find_in(folder: Path) -> Callable[[], Layout] | None:
    """Return a function that opens the dataset in this folder itself; None if there is none."""
    table = folder / CSV if (folder / CSV).is_file() else None
    if table is not None and (folder / "images").is_dir():
        return partial(_open_folder, folder, table)
    if shards := _shards(folder) or _shards(folder / "data"):
        return partial(_open_shards, shards, table, folder)
    return None


def _shards(folder: Path) -> list[Path]:
    """Return a folder's Parquet files except those with other columns; unreadable ones are kept, to be reported."""
    return [file for file in sorted(folder.glob("*.parquet")) if not is_other(file)]


def _candidates(path: Path) -> Iterable[Path]:
    """Yield the parent if `path` is a part of the dataset (images/, data/), then `path`, then its subfolders."""
    if path.name in _INNER:
        yield path.parent
    yield path
    if path.is_dir():
        yield from sorted(child for child in path.iterdir() if child.is_dir() and child.name not in _INNER)


def _open_folder(folder: Path, table: Path) -> Layout:
    """Open styles.csv next to images/<id>.jpg."""
    files: dict[str, str] = {}
    marks = [_mark(table)]
    with os.scandir(folder / "images") as entries:
        for entry in entries:
            stem, ending = os.path.splitext(entry.name)
            if ending.lower() in _IMAGE_ENDINGS and os.path.isfile(entry):  # False for a link to itself, too
                files[stem] = entry.path
                status = entry.stat()
                marks.append((os.fsencode(entry.name).hex(), status.st_size, status.st_mtime_ns))

    def image(id_: str) -> bytes | None:
        file = files.get(id_)
        return None if file is None else Path(file).read_bytes()

    return Layout(_styles(table), image, content_key(["folder", sorted(marks)]), str(folder))


def in_zip(path: Path) -> bool:
    """Whether a zip holds the dataset's rows. Raises UserError if it is not a zip."""
    return any(PurePosixPath(member).name == CSV for member in Zipped(path).members)


def _open_zip(path: Path) -> Layout:
    """Open Kaggle's zip, which holds the dataset at its top and may hold it again one folder below."""
    zipped = Zipped(path)
    tables = sorted((m for m in zipped.members if PurePosixPath(m).name == CSV), key=lambda m: (m.count("/"), m))
    for table in tables:
        images = PurePosixPath(table).parent / "images"
        files = {
            PurePosixPath(m).stem: m
            for m in zipped.members
            if PurePosixPath(m).parent == images and PurePosixPath(m).suffix.lower() in _IMAGE_ENDINGS
        }
        if files:
            break
    else:
        raise UserError(f"{path} holds no styles.csv next to images/<id>.jpg; give Kaggle's zip as it was downloaded.")

    def image(id_: str) -> bytes | None:
        member = files.get(id_)
        return None if member is None else zipped.read(member)

    try:
        content = zipped.read(table)
    except OSError as error:
        raise UserError(f"{table} in {path} cannot be read ({error}); download the zip again.") from error
    return Layout(parse(content, f"{table} in {path}"), image, content_key(["zip", zipped.stamp()]), str(path))


def _open_shards(files: list[Path], table: Path | None, origin: Path) -> Layout:
    """Open Parquet shards; the rows come from a styles.csv in the same folder, else from the shards' columns."""
    shards = Shards(files)
    ids = [id_.strip() for id_ in shards.columns(["id"])["id"]]
    styles = _styles(table) if table is not None else _shard_styles(shards)
    rows: dict[str, int] = {}
    for row, id_ in enumerate(ids):
        rows.setdefault(id_, row)

    def image(id_: str) -> bytes | None:
        row = rows.get(id_)
        return None if row is None else shards.image(row)

    marks = [_mark(file) for file in (*files, *([table] if table is not None else []))]
    return Layout(styles, image, content_key(["shards", marks]), str(origin))


def _styles(table: Path) -> Styles:
    """Parse a styles.csv on disk."""
    return parse(table.read_bytes(), str(table))


def _shard_styles(shards: Shards) -> Styles:
    """Take the rows from the shards' own columns."""
    columns = shards.columns()
    return repair([list(row) for row in zip(*columns.values(), strict=True)], list(columns))


def _mark(path: Path) -> tuple[str, int, int]:
    """Return a file's name, size and modification time."""
    status = path.stat()
    return path.name, status.st_size, status.st_mtime_ns
