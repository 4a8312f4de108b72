"""SMOTE in feature space: a new classifier on features of rare classes interpolated between neighbours."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from strategies.features.feature_space import FeatureResampling
from strategies.registry import register


@register
@dataclasses.dataclass(frozen=True)
class FeatureSmote(FeatureResampling):
    """New samples x = x_i + u (x_j - x_i), u ~ U(0, 1), x_j one of the `k_neighbors` nearest of x_i in its own class.

    Chawla, Bowyer, Hall, Kegelmeyer, "SMOTE: Synthetic Minority Over-sampling Technique", JAIR 16, 2002,
    arXiv:1106.1813, section 4.2; here on the features of the trained backbone, by imbalanced-learn's `SMOTE`. Every
    class is brought to the size of the largest.

    Default `k_neighbors=5` from the paper, as in imbalanced-learn; `start=0.9` as in `crt`, whose first part it shares.
    Deviations: a class of fewer than k_neighbors + 1 samples uses the neighbours that it has, and a single sample is
    repeated; the number of steps is that of every strategy.
    """

    name = "feature-smote"
    summary = "train a new classifier on features balanced by SMOTE"

    def sampler(self, neighbours: int, wanted: Mapping[int, int], state: int) -> Any:
        """Return `SMOTE`."""
        from imblearn.over_sampling import SMOTE

        return SMOTE(sampling_strategy=dict(wanted), k_neighbors=neighbours, random_state=state)
