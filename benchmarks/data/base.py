"""A dataset before its pixels are decoded (`Source`) and after (`Loaded`). Shapes: N rows, S pixels a side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class Source:
    """The rows of a dataset with its images not yet decoded; each dataset's `open_source(...)` returns one.

    `read(row)` gives encoded image bytes, or RGB uint8 [H, W, 3], or None if the image is missing; it is called
    from several threads at once. `stamp` is a cheap hash that changes whenever the source changes (sizes, times,
    seed); it is the key of the decoded cache. `notes`: (text, count) of irregularities in the data. `fixed_split`:
    the split is part of the dataset; False if it was drawn at random, so that others of the same sizes can be drawn.
    `named`: for some of the mistakes counted in `notes`, where each one is.
    """

    name: str
    ids: tuple[str, ...]  # N, unique
    labels: tuple[str, ...]  # N class names
    train: np.ndarray  # bool [N]
    texts: tuple[str, ...] | None  # N product names, None if the dataset has no text
    read: Callable[[int], bytes | np.ndarray | None]
    stamp: str
    origin: str
    notes: tuple[tuple[str, int], ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # further columns, N each, for `data export`
    fixed_split: bool = True
    named: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the invariants that every reader relies on (ValueError: a defect of the dataset's module)."""
        lengths = {len(self.ids), len(self.labels), len(self.train), *(len(c) for c in self.extra.values())}
        if self.texts is not None:
            lengths.add(len(self.texts))
        if len(lengths) != 1:
            raise ValueError(f"columns of different lengths: {sorted(lengths)}")
        if self.train.dtype != np.bool_:
            raise ValueError(f"train must be bool, not {self.train.dtype}")
        if len(set(self.ids)) != len(self.ids):
            raise ValueError("ids are not unique")


@dataclass(frozen=True, eq=False)
class Loaded:
    """A dataset with decoded images; rows without a readable image are left out.

    `class_names` are sorted by number of training rows, most first, ties by name; classes without training rows come
    last, by name. `fingerprint` is a content hash of ids, labels, the data's own split, texts and the pixels at this
    size: the same for the same images in any layout (folder, zip, Parquet), and for every split drawn from them.
    """

    name: str
    ids: tuple[str, ...]
    texts: tuple[str, ...] | None
    origin: str
    notes: tuple[tuple[str, int], ...]
    images_NHWC: np.ndarray  # uint8 memory map [N, S, S, 3]
    labels_N: np.ndarray  # int64 [N], index into class_names
    class_names: tuple[str, ...]
    train_N: np.ndarray  # bool [N]
    fingerprint: str
    size: int
