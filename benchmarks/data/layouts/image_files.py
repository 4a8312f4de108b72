"""Labelled image files as a `Source`: shared by class trees and CSVs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.data.base import Source
from benchmarks.data.layouts.zipped import Zipped
from benchmarks.support.errors import UserError
from benchmarks.support.keys import content_key

LOOKED_FOR = (
    "a class/image tree (folder or zip, with or without train/ and test/ above it), a CSV or Parquet table with image "
    "(or path) and label columns, or a Hugging Face data set (saved to disk, or hf:OWNER/NAME)"
)
PARTS = {  # the words that name a part of the data, in a split column or as a folder
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_PART_WORDS = {word: part for part, words in PARTS.items() for word in words}
VALIDATION_TRAINS = "marked for validation, trained on (a run sets a part of its own aside)"
TEST_PART = 0.3  # of each class, if the data has no split


class Images(NamedTuple):
    """`read(row)`: a row's encoded image (None: missing). `stamp`: changes when the images change."""

    read: Callable[[int], bytes | None]
    stamp: str


def build(
    origin: Path,
    ids: list[str],
    labels: list[str],
    images: Images,
    train: list[bool] | None,
    texts: list[str] | None = None,
    notes: tuple[tuple[str, int], ...] = (),
    named: Mapping[str, tuple[str, ...]] | None = None,
) -> Source:
    """Return a source of image files; without a split, one is drawn. UserError for fewer than two classes."""
    if len(set(labels)) < 2:
        raise UserError(f"{origin} holds {len(set(labels))} class; at least two classes are needed ({LOOKED_FOR}).")
    return Source(
        name="folder",
        ids=tuple(ids),
        labels=tuple(labels),
        train=drawn_split(ids, labels) if train is None else np.array(train, dtype=bool),
        texts=None if texts is None else tuple(texts),
        read=images.read,
        stamp=images.stamp,
        origin=str(origin),
        notes=notes,
        fixed_split=train is not None,
        named=named or {},
    )


def on_disk(ids: list[str], files: list[str]) -> Images:
    """Return the images in these files."""
    marks = [(id_, *_mark(file)) for id_, file in zip(ids, files, strict=True)]
    return Images(
        lambda row: Path(files[row]).read_bytes() if os.path.isfile(files[row]) else None,
        content_key(["folder", marks]),
    )


def in_zip(zipped: Zipped, members: list[str]) -> Images:
    """Return the images in these members of a zip."""
    return Images(lambda row: zipped.read(members[row]), content_key(["zip", zipped.stamp(), members]))


def drawn_split(ids: list[str], labels: list[str]) -> np.ndarray:
    """Return bool [N], False (test) for the 30 % of each class with the lowest id hashes, except in one-row classes."""
    train_N = np.ones(len(ids), dtype=bool)
    rows: dict[str, list[int]] = {}
    for row in sorted(range(len(ids)), key=lambda row: hashlib.sha256(ids[row].encode()).digest()):
        rows.setdefault(labels[row], []).append(row)
    for of_class in rows.values():
        if len(of_class) > 1:
            train_N[of_class[: max(1, round(TEST_PART * len(of_class)))]] = False
    return train_N


def part_of(word: str) -> str | None:
    """Return the part that a word names, ignoring case: "train", "validation" or "test"; None for other words."""
    return _PART_WORDS.get(word.strip().lower())


def text_of(name: str) -> str:
    """Return a file name as text that can always be written as UTF-8."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", errors="backslashreplace")


def _mark(file: str) -> tuple[int, int]:
    """Return size and modification time of a file, zeros if it is missing."""
    try:
        status = os.stat(file)
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns
