"""Stored features: a float32 [V, N, F] memory map, and a JSON file with their identity and a hash per chunk.

A folder is filled chunk by chunk; only missing, interrupted or damaged chunks are computed again.
V views, N rows of the data set, F features, B rows of a chunk.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from filelock import FileLock

from backbones.files import write_bytes
from benchmarks.support.errors import UserError
from benchmarks.support.keys import content_key

FORMAT = 1  # increase it when the same identity would be stored differently
CHUNK_ROWS = 512

Compute = Callable[[int, int, int], np.ndarray]  # view, first row, row after the last -> float32 [B, F]
Progress = Callable[[int, int], None]


class FeatureStore:
    """Features of one identity in a folder of their own below `folder`.

    `identity` (plain JSON values) identifies the features: other values are other features. `shape` is (V, N, F).
    """

    def __init__(self, folder: Path, name: str, identity: Mapping[str, Any], shape: tuple[int, int, int]) -> None:
        """Set the folder's path; read and write nothing yet."""
        self.identity = {**identity, "format": FORMAT, "shape": list(shape), "chunk_rows": CHUNK_ROWS}
        self.place = folder / f"{name}-{content_key(self.identity)}"
        self.shape = shape

    def fill(self, begin: Callable[[], Compute], on_progress: Progress = lambda done, total: None) -> np.ndarray:
        """Return the features as a read-only memory map [V, N, F], computing missing chunks first.

        `begin` returns the function that computes chunks; it is called only if some are missing.
        `on_progress(done, total)` counts rows of views. One process at a time fills a folder; others wait. Raises
        UserError if the folder cannot be written, for example on a full disk; stored chunks are kept.
        """
        try:
            self.place.mkdir(parents=True, exist_ok=True)
            with FileLock(self.place / "filling.lock"):
                stored = self._stored()
                if len(stored) < len(list(self._chunks())):
                    self._compute(stored, begin(), on_progress)
        except OSError as error:
            raise UserError(
                f"the features in {self.place} cannot be written ({error.strerror or error}); finished ones are kept: "
                "make room and run the command again, or set BENCHMARKS_CACHE to another folder."
            ) from error
        return np.memmap(self.place / "features.bin", np.float32, "r", shape=self.shape)

    def rows_missing(self) -> int:
        """Return how many rows of views are not recorded as stored; damaged chunks are only detected by `fill`."""
        noted = self._noted()
        return sum(end - start for view, start, end in self._chunks() if f"{view}:{start}" not in noted)

    def _compute(self, stored: dict[str, str], compute: Compute, on_progress: Progress) -> None:
        """Compute the chunks that are not in `stored`, which maps their names to their hashes, and add each one."""
        views, rows, features = self.shape
        done, total = 0, views * rows
        with open(self._make_file(), "r+b") as file:
            for view, start, end in self._chunks():
                name = f"{view}:{start}"
                if name not in stored:
                    made_BF = np.ascontiguousarray(compute(view, start, end), dtype="<f4")
                    if made_BF.shape != (end - start, features):
                        raise ValueError(f"features of shape {made_BF.shape}, expected {(end - start, features)}")
                    file.seek((view * rows + start) * features * 4)
                    file.write(made_BF.data)
                    file.flush()
                    os.fsync(file.fileno())
                    stored[name] = hashlib.sha256(made_BF.data).hexdigest()
                    self._note(stored)
                done += end - start
                on_progress(done, total)

    def _chunks(self) -> Iterator[tuple[int, int, int]]:
        """Yield (view, first row, row after the last) of every chunk, in the order in which they are computed."""
        views, rows, _ = self.shape
        for view in range(views):
            for start in range(0, rows, CHUNK_ROWS):
                yield view, start, min(start + CHUNK_ROWS, rows)

    def _make_file(self) -> Path:
        """Give the file its full size and return its path; it is sparse, so unwritten parts take no disk space."""
        path = self.place / "features.bin"
        path.touch()
        os.truncate(path, int(np.prod(self.shape)) * 4)
        return path

    def _note(self, stored: Mapping[str, str]) -> None:
        content = {"identity": self.identity, "chunks": stored}
        write_bytes(self.place / "meta.json", json.dumps(content, indent=0, sort_keys=True).encode())

    def _stored(self) -> dict[str, str]:
        """Return name and hash of the intact chunks; none if the folder has another identity."""
        try:
            noted = self._noted()
            with open(self.place / "features.bin", "rb") as file:
                return {name: noted[name] for name, digest in self._hashes(file) if noted.get(name) == digest}
        except (OSError, AttributeError):
            return {}

    def _noted(self) -> dict[str, str]:
        """Return name and hash of the chunks recorded as stored; none if the folder has another identity."""
        try:
            meta = json.loads((self.place / "meta.json").read_text(encoding="utf-8"))
            return dict(meta["chunks"]) if meta["identity"] == self.identity else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def _hashes(self, file: BinaryIO) -> Iterator[tuple[str, str]]:
        """Yield name and hash of every chunk in the file; for a truncated chunk, the hash of what is left."""
        features = self.shape[2]
        for view, start, end in self._chunks():
            yield f"{view}:{start}", hashlib.sha256(file.read((end - start) * features * 4)).hexdigest()
