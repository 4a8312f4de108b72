"""Write a dataset in the layouts that the loaders read: Kaggle's folder or zip, the hub's Parquet, a class tree."""

from __future__ import annotations

import csv
import dataclasses
import functools
import io
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from backbones.errors import nearest
from benchmarks.data.base import Source
from benchmarks.data.decoded.pixels import decode_image
from benchmarks.support.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

Form = Literal["folder", "zip", "parquet"]
STYLES_COLUMNS = (
    "id", "gender", "masterCategory", "subCategory", "articleType", "baseColour", "season", "year", "usage",
    "productDisplayName",
)  # fmt: skip
_JPEG_QUALITY = 95
_ROWS_PER_SHARD = 12_000  # the hub serves the 44 k rows in four shards
_BYTES_PER_SHARD = 60_000_000  # of images: files below 64 MB, small enough for any transfer
_ROWS_PER_GROUP = 1000
_CHUNK_ROWS = 512
_PNG_MAGIC = b"\x89PNG"


def export(source: Source, folder: Path, form: Form = "folder", image_size: int | None = None) -> Path:
    """Write `source` below `folder`, which must be empty or absent; return the path to give to `--data`.

    With the columns of `styles.csv`, `form` is "folder" (`styles.csv` and `images/<id>.jpg`), "zip" (the same as
    Kaggle's `archive.zip`) or "parquet" (the hub's `data/train-00000-of-0000N.parquet`; rows without an image are left
    out, as there). Without them it is a tree `train/<class>/<id>` and `test/<class>/<id>`, and only "folder" is
    possible. Arrays become JPEGs of quality 95, encoded images stay as they are. With `image_size` in pixels, images
    are written as a run decodes them at that size, in lossless PNG: a run on the export has the same pixels and keys.
    Raises UserError for a folder that is not empty, an unknown form, ids or class names that cannot be file names, and
    an image size in a form whose images are JPEGs.
    """
    if form not in get_args(Form):
        known = get_args(Form)
        raise UserError(f"There is no form {form!r}{nearest(form, known)}; there are {', '.join(known)}.")
    styled = source.texts is not None and set(_further()) <= set(source.extra)
    if not styled and form != "folder":
        raise UserError(
            f"The dataset {source.name!r} lacks the columns of styles.csv; export it as a folder, not {form}."
        )
    if image_size and styled and form != "parquet":
        raise UserError(f"Images of another size are PNGs, which the form {form} does not hold; give --form parquet.")
    _require_file_names(source.ids, "id")
    if not styled:
        _require_file_names(set(source.labels), "class")
    _make_empty(folder)
    if image_size:
        source = dataclasses.replace(source, read=functools.partial(_resized, source.read, image_size))
    if not styled:
        return _write_tree(source, folder)
    return {"folder": _write_folder, "zip": _write_zip, "parquet": _write_parquet}[form](source, folder)


def _resized(read: Callable[[int], bytes | np.ndarray | None], size: int, row: int) -> bytes | None:
    """Return a row's image as a run decodes it at `size` pixels, as PNG; None for one without pixels."""
    import cv2

    pixels_HWC = decode_image(read(row), size).pixels_HWC
    return None if pixels_HWC is None else cv2.imencode(".png", pixels_HWC[..., ::-1])[1].tobytes()


def _further() -> list[str]:
    """Return the columns of styles.csv that a source keeps in `extra`."""
    return [name for name in STYLES_COLUMNS if name not in ("id", "articleType", "productDisplayName")]


def _require_file_names(names: Iterable[str], what: str) -> None:
    """Raise UserError for a name that is not a file name or would leave its folder."""
    for name in names:
        if not name or name.startswith(".") or any(c in name for c in "/\\\0"):
            raise UserError(f"The {what} {name!r} cannot be a file name; rename it in the data before exporting.")


def _make_empty(folder: Path) -> None:
    """Create the folder; UserError if it is a file or not empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is not an empty folder; give one that is empty or does not exist yet.")
    folder.mkdir(parents=True, exist_ok=True)


def _columns(source: Source) -> dict[str, tuple[str, ...]]:
    """Return the columns of styles.csv in the published order."""
    own = {"id": source.ids, "articleType": source.labels, "productDisplayName": source.texts or ()}
    return {name: own[name] if name in own else source.extra[name] for name in STYLES_COLUMNS}


def _styles_csv(source: Source) -> str:
    """Return the text of styles.csv; names that hold commas are quoted."""
    columns = _columns(source)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


def _images(source: Source) -> Iterator[tuple[int, bytes]]:
    """Yield (row, encoded image) of the rows that have one, in order, encoded by two threads in bounded chunks."""
    with ThreadPoolExecutor(2) as threads:
        for start in range(0, len(source.ids), _CHUNK_ROWS):
            rows = range(start, min(start + _CHUNK_ROWS, len(source.ids)))
            for row, image in zip(rows, threads.map(lambda r: _encoded(source, r), rows), strict=True):
                if image is not None:
                    yield row, image


def _encoded(source: Source, row: int) -> bytes | None:
    """Return a row's image as it is, or its array as a JPEG."""
    import cv2

    image = source.read(row)
    if image is None or isinstance(image, bytes):
        return image
    _, coded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return coded.tobytes()


def _write_folder(source: Source, folder: Path) -> Path:
    """Write styles.csv and images/<id>.jpg."""
    (folder / "images").mkdir()
    (folder / "styles.csv").write_text(_styles_csv(source), encoding="utf-8", newline="")
    for row, image in _images(source):
        (folder / "images" / f"{source.ids[row]}.jpg").write_bytes(image)
    return folder


def _write_zip(source: Source, folder: Path) -> Path:
    """Write Kaggle's zip; JPEGs are stored uncompressed, because they do not get smaller."""
    path = folder / "archive.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("styles.csv", _styles_csv(source), zipfile.ZIP_DEFLATED)
        for row, image in _images(source):
            archive.writestr(f"images/{source.ids[row]}.jpg", image)
    return path


def _write_parquet(source: Source, folder: Path) -> Path:
    """Write the hub's shards: the columns of styles.csv and `image: struct<bytes, path>`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns, images = _columns(source), dict(_images(source))
    rows = list(images)
    shards = _cut(rows, [len(images[row]) for row in rows])
    (folder / "data").mkdir()
    for shard, part in enumerate(shards):
        table = {name: _typed(name, [cells[row] for row in part]) for name, cells in columns.items()}
        pictures = [{"bytes": images[row], "path": f"{source.ids[row]}.jpg"} for row in part]
        table["image"] = pa.array(pictures, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
        path = folder / "data" / f"train-{shard:05d}-of-{len(shards):05d}.parquet"
        pq.write_table(pa.table(table), path, row_group_size=_ROWS_PER_GROUP)
    return folder


def _cut(rows: Sequence[int], sizes: Sequence[int]) -> list[list[int]]:
    """Return the rows in shards of at most `_ROWS_PER_SHARD` rows and `_BYTES_PER_SHARD` bytes of images."""
    shards: list[list[int]] = [[]]
    held = 0
    for row, size in zip(rows, sizes, strict=True):
        if shards[-1] and (len(shards[-1]) == _ROWS_PER_SHARD or held + size > _BYTES_PER_SHARD):
            shards.append([])
            held = 0
        shards[-1].append(row)
        held += size
    return shards


def _typed(name: str, cells: Sequence[str]) -> pa.Array:
    """Return a column in the hub's type: whole ids, years as floating point, else text; empty cells are null."""
    import pyarrow as pa

    if name == "id" and all(cell.isdecimal() and str(int(cell)) == cell for cell in cells):
        return pa.array([int(cell) for cell in cells], pa.int64())
    if name == "year" and all(cell == "" or cell.isdecimal() for cell in cells):
        return pa.array([float(cell) if cell else None for cell in cells], pa.float64())
    return pa.array([cell or None for cell in cells], pa.string())


def _write_tree(source: Source, folder: Path) -> Path:
    """Write train/<class>/<id> and test/<class>/<id>, with the ending of the image's encoding."""
    for row, image in _images(source):
        place = folder / ("train" if source.train[row] else "test") / source.labels[row]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{source.ids[row]}{'.png' if image.startswith(_PNG_MAGIC) else '.jpg'}").write_bytes(image)
    return folder
