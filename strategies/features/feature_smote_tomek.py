"""SMOTE, then Tomek links removed, in feature space: a new classifier on balanced features with cleaner borders."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from strategies.base import Facts
from strategies.features.feature_smote import FeatureSmote
from strategies.features.resampling import without_tomek_links
from strategies.registry import register


@register
@dataclasses.dataclass(frozen=True)
class FeatureSmoteTomek(FeatureSmote):
    """Balance by SMOTE, then drop both samples of every Tomek link: two of different classes, each the other's nearest.

    Batista, Bazzan, Monard, "Balancing Training Data for Automated Annotation of Keywords: a Case Study", WOB 2003 (no
    arXiv); here on the features of the trained backbone, by imbalanced-learn's `SMOTE` and `TomekLinks`, the two that
    its `SMOTETomek` runs; links of all classes are removed, as there.

    Defaults as `feature-smote`.
    Deviations: as `feature-smote`; the search for links takes quadratic time, so at most 25,000 rows are made and
    classes above 25,000 / C are thinned at random; a class that would lose all its samples keeps them.
    """

    name = "feature-smote-tomek"
    summary = "train a new classifier on features balanced by SMOTE and cleaned of Tomek links"
    most_rows: ClassVar[int | None] = 25_000

    def resample_features(
        self, features_NF: np.ndarray, labels_N: np.ndarray, facts: Facts, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the balanced and cleaned features [M, F] and labels [M]."""
        return without_tomek_links(*super().resample_features(features_NF, labels_N, facts, seed))
