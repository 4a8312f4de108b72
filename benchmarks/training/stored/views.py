"""The views of an image whose features are stored: itself, shifted and zoomed copies, and their mirrors.

V views, B batch, S pixels a side. View v is a function of the image, its row and v, and of nothing else.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

import numpy as np

from backbones.seeds import seed_for
from benchmarks.support.keys import sample_uniforms
from benchmarks.training.batching.batches import affine_B23, warp


class StoredViews(Protocol):
    """Views whose features are stored; `rows_M`: the rows that have them, int64 [M], None for all rows."""

    @property
    def rows_M(self) -> np.ndarray | None: ...  # noqa: D102

    def __len__(self) -> int:
        """Return V."""
        ...

    def identity(self) -> dict[str, Any]:
        """Return which views these are, as JSON values: other values are other features."""
        ...

    def view(self, number: int, images_BSS3: np.ndarray, rows_B: np.ndarray) -> np.ndarray:
        """Return view `number` of uint8 images [B, S, S, 3], which are the rows `rows_B` of their data set."""
        ...


@dataclasses.dataclass(frozen=True)
class Views:
    """Which views: `draws` of each image, the first one the image itself, each with its mirror where `mirror`.

    `shift`, `zoom` (fractions of the side) and `rotate` (degrees) are the largest draws in either direction.
    """

    draws: int = 1
    mirror: bool = True
    shift: float = 0.0
    zoom: float = 0.0
    rotate: float = 0.0
    seed: int = 0

    flip = False  # mirrors are views of their own: `affine_B23` draws none
    rows_M = None  # every row has them

    def __len__(self) -> int:
        """Return V."""
        return self.draws * (1 + self.mirror)

    def identity(self) -> dict[str, Any]:
        """Return which views these are, as JSON values."""
        return dataclasses.asdict(self)

    def view(self, number: int, images_BSS3: np.ndarray, rows_B: np.ndarray) -> np.ndarray:
        """Return view `number` of uint8 images [B, S, S, 3], which are the rows `rows_B` of their data set."""
        draw, mirrored = divmod(number, 1 + self.mirror)
        if draw:
            size = images_BSS3.shape[1]
            uniforms_B5 = sample_uniforms(seed_for(self.seed, "stored view", draw), rows_B, 5)
            images_BSS3 = warp(images_BSS3, affine_B23(self, size, size, uniforms_B5), size)
        return images_BSS3[:, :, ::-1] if mirrored else images_BSS3
