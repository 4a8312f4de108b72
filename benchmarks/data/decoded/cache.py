"""Decode a dataset once: a uint8 [N, S, S, 3] memory map on disk, and a JSON file in the same folder.

One folder per (stamp, size) is built under a temporary name and renamed once, so that a reader sees all of it or
nothing, even if several processes build it at once or are killed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import numpy as np

from benchmarks.data.base import Source
from benchmarks.data.decoded.pixels import Decode, decode_image
from benchmarks.support.errors import UserError
from benchmarks.support.hardware import usable_cores
from benchmarks.support.keys import content_key

FORMAT = 1  # raise it when the same source would be decoded differently
BLOCK, PART = 4096, 32  # rows decoded before they are written; rows per call of a thread
ABANDONED_SECONDS = 24 * 3600

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Meta:
    """Content of meta.json: what the pixels belong to, the source's rows left out, and counts of problems."""

    key: str
    rows: str  # content key of the source's ids, labels, split and texts
    shape: tuple[int, ...]
    dropped: tuple[int, ...]  # rows of the source, ascending
    missing: int
    unreadable: int
    greyscale: int
    pixels: str  # SHA-256 of the pixels


@dataclass(frozen=True, eq=False)
class Decoded:
    """`images_NHWC`: read-only memory map; `kept_N`: the source's row of each image, int64, ascending."""

    images_NHWC: np.ndarray
    kept_N: np.ndarray
    meta: Meta


def decode(source: Source, size: int, folder: Path, on_progress: Progress | None = None) -> Decoded:
    """Return the source's images at `size` x `size` pixels, from `folder` if they were decoded before.

    `on_progress(done, total)` counts rows and is only called while decoding. Raises UserError when the size is not
    in 8..1024, when no image is readable, or when the folder cannot be written.
    """
    if not 8 <= size <= 1024:
        raise UserError(f"Images of {size} pixels a side are not supported; give a size from 8 to 1024.")
    key = content_key([FORMAT, source.name, source.stamp, size])
    rows = rows_key(source, range(len(source.ids)))
    place = folder / f"{source.name}-{size}-{key}"
    found = _open(place, key, rows, len(source.ids))
    if found is not None:
        return found
    try:
        _build(source, size, place, key, rows, on_progress)
    except OSError as error:
        raise UserError(
            f"The cache folder {folder} cannot be written ({error.strerror or error}); free some space, or set "
            "BENCHMARKS_CACHE to another folder."
        ) from error
    built = _open(place, key, rows, len(source.ids))
    if built is None:
        raise UserError(f"The decoded images in {place} changed while they were read; run the command again.")
    return built


def rows_key(source: Source, rows: Iterable[int]) -> str:
    """Return a content key of the ids, labels, split and texts of these rows, in this order."""
    rows = list(rows)
    texts = source.texts
    return content_key(
        [
            [source.ids[row] for row in rows],
            [source.labels[row] for row in rows],
            source.train[rows].tolist(),
            None if texts is None else [texts[row] for row in rows],
        ]
    )


def _open(place: Path, key: str, rows: str, total: int) -> Decoded | None:
    """Open a decoded folder; None if it is absent, truncated or of other rows."""
    try:
        meta = Meta(**json.loads((place / "meta.json").read_text(encoding="utf-8")))
        images_NHWC = np.load(place / "images.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, TypeError):
        return None
    kept_N = np.setdiff1d(np.arange(total, dtype=np.int64), np.asarray(meta.dropped, dtype=np.int64))
    right = (meta.key, meta.rows) == (key, rows) and images_NHWC.dtype == np.uint8
    if not right or list(images_NHWC.shape) != list(meta.shape) or len(kept_N) != len(images_NHWC):
        return None
    return Decoded(images_NHWC, kept_N, meta)


def _build(source: Source, size: int, place: Path, key: str, rows: str, on_progress: Progress | None) -> None:
    """Decode into a temporary folder and rename it to `place`, replacing an unusable folder there."""
    place.parent.mkdir(parents=True, exist_ok=True)
    _sweep(place.parent)
    work = Path(tempfile.mkdtemp(prefix=".building-", dir=place.parent))
    try:
        with open(work / "images.npy", "wb") as file:
            dropped, counts, pixels = _write(source, size, file, on_progress)
            _sync(file)
        if len(dropped) == len(source.ids):
            raise UserError(f"No image of {source.origin} can be read ({_count_words(counts)}).")
        shape = (len(source.ids) - len(dropped), size, size, 3)
        meta = Meta(
            key, rows, shape, tuple(dropped), counts["missing"], counts["unreadable"], counts["greyscale"], pixels
        )
        with open(work / "meta.json", "w", encoding="utf-8") as text:
            json.dump(asdict(meta), text)
            _sync(text)
        _put(work, place, lambda: _open(place, key, rows, len(source.ids)) is not None)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _write(
    source: Source, size: int, file: IO[bytes], on_progress: Progress | None
) -> tuple[list[int], dict[str, int], str]:
    """Write the .npy file; return the rows left out, the counts of problems, and the pixels' SHA-256."""
    total = len(source.ids)
    header = {"descr": "|u1", "fortran_order": False, "shape": (total, size, size, 3)}
    np.lib.format.write_array_header_1_0(file, header)
    start = file.tell()
    dropped: list[int] = []
    counts = {"missing": 0, "unreadable": 0, "greyscale": 0}
    digest = hashlib.sha256()
    for row, image in enumerate(_images(source, size, on_progress)):
        if image.problem:
            counts[image.problem] += 1
        if image.pixels_HWC is None:
            dropped.append(row)
        else:
            file.write(image.pixels_HWC.data)
            digest.update(image.pixels_HWC.data)
    # numpy pads the header, so a smaller first axis does not change its length
    file.seek(0)
    np.lib.format.write_array_header_1_0(file, {**header, "shape": (total - len(dropped), size, size, 3)})
    if file.tell() != start:
        raise RuntimeError("the .npy header changed its length")
    return dropped, counts, digest.hexdigest()


def _images(source: Source, size: int, on_progress: Progress | None) -> Iterator[Decode]:
    """Decode every row in order, on all cores, at most a block of images in memory."""
    total = len(source.ids)

    def part(start: int, end: int) -> list[Decode]:
        return [_decode_row(source, row, size) for row in range(start, end)]

    with ThreadPoolExecutor(usable_cores()) as pool:
        for block in range(0, total, BLOCK):
            end = min(block + BLOCK, total)
            starts = range(block, end, PART)
            done = block
            for images in pool.map(part, starts, [min(start + PART, end) for start in starts]):
                yield from images
                done += len(images)
                if on_progress is not None:
                    on_progress(done, total)


def _decode_row(source: Source, row: int, size: int) -> Decode:
    """Read and decode one row; an unreadable image is counted and does not stop the others."""
    try:
        return decode_image(source.read(row), size)
    except (OSError, ValueError, zlib.error):
        return Decode(None, "unreadable")


def _put(work: Path, place: Path, usable: Callable[[], bool]) -> None:
    """Rename `work` to `place`, unless another process has just made a usable one."""
    for _ in range(5):
        try:
            os.rename(work, place)
            return
        except OSError:
            if not place.exists():
                raise
            if usable():
                return
            aside = Path(tempfile.mkdtemp(prefix=".building-", dir=place.parent))
            with contextlib.suppress(FileNotFoundError):  # another process moved it first
                os.rename(place, aside / "old")
            shutil.rmtree(aside, ignore_errors=True)


def _sync(file: IO[bytes] | IO[str]) -> None:
    """Flush the file to disk before its folder is renamed."""
    file.flush()
    os.fsync(file.fileno())


def _sweep(folder: Path) -> None:
    """Remove the old temporary folders of killed processes."""
    for left in folder.glob(".building-*"):
        try:
            newest = max(path.stat().st_mtime for path in (left, *left.iterdir()))
        except OSError:
            continue
        if time.time() - newest > ABANDONED_SECONDS:
            shutil.rmtree(left, ignore_errors=True)


def _count_words(counts: dict[str, int]) -> str:
    """Return the counts as text."""
    return ", ".join(f"{count} {word}" for word, count in counts.items())
