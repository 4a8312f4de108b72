"""Augmented views of the rows of minority classes, whose features are stored for `minority-augment`.

N rows of the data set, M rows with augmented views, K views, B batch, S pixels a side.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib.metadata
from typing import Any

import numpy as np

from backbones.seeds import seed_for
from benchmarks.planning.stages import Stage
from benchmarks.support.keys import sample_bits
from benchmarks.training.batching.augment import Augmenter
from strategies.base import Pipeline

VIEWS = 4  # per row; not in any job's key: when changing it, increase the version of `MinorityAugment`


@dataclasses.dataclass(frozen=True, eq=False)
class AugmentedViews:
    """`VIEWS` views of some rows, each augmented with its class's strength; every second one is mirrored.

    `strength_N` in [0, 1]: of every row of the data set, 0 for rows without augmented views. `image_size` in pixels;
    without `mirror` none is mirrored. A view is a function of the image, its row, its strength and the view's number.
    """

    strength_N: np.ndarray
    image_size: int
    mirror: bool = True

    @classmethod
    def of(cls, stage: Stage, pipeline: Pipeline, image_size: int, *, mirror: bool) -> AugmentedViews:
        """Return the views of a stage's training rows whose class has a strength above 0."""
        strength_N = np.zeros(len(stage.labels_N))
        rows_N = stage.data.train_rows
        strength_N[rows_N] = np.asarray(pipeline.strength_C)[stage.labels_N[rows_N]]
        return cls(strength_N, image_size, mirror)

    def __len__(self) -> int:
        """Return K."""
        return VIEWS

    @functools.cached_property
    def rows_M(self) -> np.ndarray:
        """The rows that have augmented views, int64 [M], ascending."""
        return np.flatnonzero(self.strength_N)

    def identity(self) -> dict[str, Any]:
        """Return which views these are, as JSON values."""
        content = hashlib.sha256(self.rows_M.astype("<i8").tobytes())
        content.update(self.strength_N[self.rows_M].astype("<f8").tobytes())
        return {
            "augmented": VIEWS,
            "mirror": self.mirror,
            "strengths": content.hexdigest(),
            "albumentations": importlib.metadata.version("albumentations"),  # other versions may draw differently
        }

    def view(self, number: int, images_BSS3: np.ndarray, rows_B: np.ndarray) -> np.ndarray:
        """Return view `number` of uint8 images [B, S, S, 3], which are the rows `rows_B` of their data set."""
        seeds_B = sample_bits(seed_for("augmented view", number), rows_B, 1)[:, 0] >> np.uint64(33)
        made_BSS3 = self._augmenter.augment_batch(images_BSS3, self.strength_N[rows_B], seeds_B.astype(np.int64))
        return made_BSS3[:, :, ::-1] if self.mirror and number % 2 else made_BSS3

    @functools.cached_property
    def _augmenter(self) -> Augmenter:
        return Augmenter(self.strength_N.tolist(), self.image_size)
