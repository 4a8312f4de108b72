"""Base class of strategies that resample features: when they act, what they train, which seats they hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from strategies.base import Facts
from strategies.features.resampling import balanced
from strategies.schedules.common import Retraining
from strategies.space import Integer, Real, Space


@dataclasses.dataclass(frozen=True)
class FeatureResampling(Retraining):
    """Train plainly up to `start` of the stage's epochs, then a new classifier on stored, class-balanced features.

    The features are those that the network gives in evaluation mode for the unaugmented training rows; they are
    resampled once, by `sampler`, and an epoch has as many draws as the stage has samples. The second part has a
    learning-rate schedule of its own, as in `crt`, with which the first part is shared. `start` is in [0, 1),
    `k_neighbors` is at least 1.
    """

    on = "features"
    most_rows: ClassVar[int | None] = None
    ranges = {"k_neighbors": "[1, inf)"}

    k_neighbors: int = 5

    def space(self) -> Space:
        """Start as `crt`; neighbours around the usual 5."""
        return {"start": Real(0.7, 0.95), "k_neighbors": Integer(3, 10)}

    def sampler(self, neighbours: int, wanted: Mapping[int, int], state: int) -> Any:
        """Return imbalanced-learn's sampler that brings classes to the sizes `wanted` with `neighbours` neighbours."""
        raise NotImplementedError

    def resample_features(
        self, features_NF: np.ndarray, labels_N: np.ndarray, facts: Facts, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the balanced features [M, F] and labels [M]; see `resampling.balanced` for classes of few samples."""
        return balanced(features_NF, labels_N, seed, self.sampler, self.k_neighbors, self.most_rows)
