"""Decoded images on a machine without their source: found in its cache by their hash, else received and written.

The folder has the layout and the name that `cache.py` uses, so that a later run on that machine finds it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data.base import Loaded

PIECE_BYTES = 32 * 2**20


@dataclass(frozen=True)
class ImageManifest:
    """Decoded images of another machine: `file`, their path there; `meta`, the content of their meta.json."""

    file: Path
    meta: dict[str, Any]

    def pieces(self) -> list[tuple[int, int]]:
        """Return the rows [start, end) of pieces of at most `PIECE_BYTES`, which can be sent one by one."""
        rows, *shape = self.meta["shape"]
        step = max(1, PIECE_BYTES // int(np.prod(shape)))
        return [(start, min(start + step, rows)) for start in range(0, rows, step)]


def manifest(loaded: Loaded) -> ImageManifest:
    """Return the manifest of this machine's decoded images."""
    file = Path(loaded.images_NHWC.filename)  # type: ignore[attr-defined]  # `decode` returns a memory map
    return ImageManifest(file, json.loads((file.parent / "meta.json").read_text(encoding="utf-8")))


def find(folder: Path, wanted: ImageManifest) -> np.ndarray | None:
    """Return the memory map of decoded images with the wanted hash below `folder`, None if it has none."""
    for meta in sorted(folder.glob("*/meta.json")):
        with contextlib.suppress(OSError, ValueError, KeyError):
            if json.loads(meta.read_text(encoding="utf-8"))["pixels"] == wanted.meta["pixels"]:
                images_NHWC: np.ndarray = np.load(meta.parent / "images.npy", mmap_mode="r", allow_pickle=False)
                if list(images_NHWC.shape) == list(wanted.meta["shape"]):
                    return images_NHWC
    return None


def find_or_write(folder: Path, wanted: ImageManifest, pieces: Iterator[np.ndarray]) -> np.ndarray:
    """Return the wanted images' memory map; if the cache lacks them, write them from `pieces`, one process at a time.

    Raises ValueError if the pieces do not have the wanted hash.
    """
    found = find(folder, wanted)
    if found is not None:
        return found
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f".{wanted.meta['pixels'][:20]}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if find(folder, wanted) is None:
            _write(folder, wanted, pieces)
        found = find(folder, wanted)
    if found is None:
        raise OSError(f"the images that were just written below {folder} are not there")
    return found


def _write(folder: Path, wanted: ImageManifest, pieces: Iterator[np.ndarray]) -> None:
    work = Path(tempfile.mkdtemp(prefix=".building-", dir=folder))
    try:
        digest = hashlib.sha256()
        images_NHWC = np.lib.format.open_memmap(
            work / "images.npy", mode="w+", dtype=np.uint8, shape=tuple(wanted.meta["shape"])
        )
        at = 0
        for piece_NHWC in pieces:
            images_NHWC[at : at + len(piece_NHWC)] = piece_NHWC
            digest.update(np.ascontiguousarray(piece_NHWC).data)
            at += len(piece_NHWC)
        images_NHWC.flush()
        if digest.hexdigest() != wanted.meta["pixels"]:
            raise ValueError("the images that arrived are not those that were sent")
        (work / "meta.json").write_text(json.dumps(wanted.meta), encoding="utf-8")
        place = folder / wanted.file.parent.name
        if place.exists():  # same name, but unusable
            shutil.rmtree(place, ignore_errors=True)
        os.rename(work, place)
    finally:
        shutil.rmtree(work, ignore_errors=True)
