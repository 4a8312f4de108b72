"""Random oversampling by imbalanced-learn: rows repeated until every class is as large as the largest."""

from __future__ import annotations

import dataclasses

import numpy as np

from strategies.base import Facts, Strategy
from strategies.features.resampling import state_of
from strategies.registry import register


@register
@dataclasses.dataclass(frozen=True)
class RandomOver(Strategy):
    """Repeat rows of each class, drawn with replacement, up to n'_c = max n; imbalanced-learn's `RandomOverSampler`.

    Batista, Prati, Monard, "A Study of the Behavior of Several Methods for Balancing Machine Learning Training Data",
    SIGKDD Explorations 6(1), 2004, section 3 (no arXiv). The sampler sees row numbers, not pixels, and runs once per
    stage and seed.

    Deviation: an epoch has as many draws as there are samples, without replacement from the C max n repeated rows, so
    that no strategy trains longer. It is `oversample` with the repetitions drawn once instead of in every epoch.
    A class without samples stays empty.
    """

    name = "random-over"
    summary = "repeat rows of rare classes until all are as large as the largest, by imbalanced-learn"

    def resample_rows(self, labels_N: np.ndarray, facts: Facts, seed: int) -> np.ndarray | None:
        """Return the positions [M] of the samples, repeated; None if there is only one class, which is balanced."""
        from imblearn.over_sampling import RandomOverSampler

        if len(np.unique(labels_N)) < 2:
            return None
        positions_N1 = np.arange(len(labels_N))[:, None]
        repeated_M1, _ = RandomOverSampler(random_state=state_of(seed)).fit_resample(positions_N1, labels_N)
        return repeated_M1[:, 0]
