"""Borderline-SMOTE in feature space: a new classifier on features interpolated from samples near other classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from strategies.features.feature_space import FeatureResampling
from strategies.registry import register
from strategies.space import Integer, Space


@register
@dataclasses.dataclass(frozen=True)
class FeatureBorderlineSmote(FeatureResampling):
    """SMOTE from samples in danger only: those with m/2 <= m' < m of their m nearest neighbours in other classes.

    Han, Wang, Mao, "Borderline-SMOTE: A New Over-Sampling Method in Imbalanced Data Sets Learning", ICIC 2005, section
    3, the first of its two variants (no arXiv); here on the features of the trained backbone, by imbalanced-learn's
    `BorderlineSMOTE`. Every class is brought to the size of the largest.

    Defaults are imbalanced-learn's: `k_neighbors=5`, `m_neighbors=10`, at least 1; the paper tunes m. `start=0.9` as in
    `crt`, whose first part it shares.
    Deviations: as `feature-smote`; a class without a sample in danger is grown by SMOTE, because otherwise it would be
    the only class that is still rare.
    """

    name = "feature-borderline-smote"
    summary = "train a new classifier on features balanced by Borderline-SMOTE"
    ranges = {"m_neighbors": "[1, inf)"}

    m_neighbors: int = 10

    def space(self) -> Space:
        """As the base class, and the number of neighbours that decides which samples are in danger."""
        return {**super().space(), "m_neighbors": Integer(5, 20)}

    def sampler(self, neighbours: int, wanted: Mapping[int, int], state: int) -> Any:
        """Return `BorderlineSMOTE`."""
        from imblearn.over_sampling import BorderlineSMOTE

        return BorderlineSMOTE(
            sampling_strategy=dict(wanted), k_neighbors=neighbours, m_neighbors=self.m_neighbors, random_state=state
        )
