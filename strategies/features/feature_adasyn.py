"""ADASYN in feature space: a new classifier on features interpolated where a class is hard to separate."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from strategies.features.feature_space import FeatureResampling
from strategies.registry import register


@register
@dataclasses.dataclass(frozen=True)
class FeatureAdasyn(FeatureResampling):
    """SMOTE's interpolation, sample i taken g_i = r_i / sum r times, r_i its share of neighbours of other classes.

    He, Bai, Garcia, Li, "ADASYN: Adaptive Synthetic Sampling Approach for Imbalanced Learning", IJCNN 2008, section II
    (no arXiv); here on the features of the trained backbone, by imbalanced-learn's `ADASYN`, which rounds the numbers,
    so that class sizes are equal only up to a few samples. Every class is brought to the size of the largest.

    Default `k_neighbors=5` from the paper, as in imbalanced-learn; `start=0.9` as in `crt`, whose first part it shares.
    Deviations: as `feature-smote`; a class whose samples have only neighbours of the same class is grown by SMOTE.
    """

    name = "feature-adasyn"
    summary = "train a new classifier on features balanced by ADASYN"

    def sampler(self, neighbours: int, wanted: Mapping[int, int], state: int) -> Any:
        """Return `ADASYN`."""
        from imblearn.over_sampling import ADASYN

        return ADASYN(sampling_strategy=dict(wanted), n_neighbors=neighbours, random_state=state)
