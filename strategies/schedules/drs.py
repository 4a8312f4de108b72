"""Deferred re-sampling: plain training, then class-balanced draws for the last part of the stage."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from strategies.base import Facts, Phase, Progress, Strategy
from strategies.registry import register
from strategies.schedules.common import check_start, deferred
from strategies.study.oversample import Oversample


@register
@dataclasses.dataclass(frozen=True)
class DeferredResampling(Strategy):
    """Train plainly up to `start` of the stage's epochs, then on classes drawn by a sampler.

    Cao, Wei, Gaidon, Arechiga, Ma, "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss",
    NeurIPS 2019, arXiv:1906.07413, section 3.3 and the comparison with deferred re-sampling (DRS). Alone, or with
    parts that do not sample (`ldam+drs`), p_c = 1 / (number of classes that have samples), as in `oversample`. Together
    with a sampler (`drs+oversample-rare`) it only defers: that sampler acts from `start` on.

    Default from the authors' experiments on CIFAR: from epoch 160 of 200 on, hence `start=0.8`. It is in [0, 1)
    and is rounded to the nearest epoch; at least the last epoch is sampled.
    Deviations: an epoch has as many draws as there are samples, and the learning rate follows the recipe throughout.
    """

    name = "drs"
    summary = "draw classes equally often for the last part of the training only"
    paper = (
        "Cao, Wei, Gaidon, Arechiga, Ma: Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss, "
        "NeurIPS 2019, arXiv:1906.07413"
    )
    defers = frozenset({"sampling_C", "kept_C", "resample_rows", "resample_features"})

    start: float = 0.8

    def __post_init__(self) -> None:
        """Refuse a start out of range."""
        check_start(self.name, self.start)

    def phases(self, epochs: int, facts: Facts) -> Sequence[Phase]:
        """Plain up to the start, sampled from there."""
        return deferred(self.start, epochs)

    def sampling_C(self, facts: Facts, progress: Progress) -> np.ndarray:
        """Return p_C, float64, sum 1."""
        return Oversample().sampling_C(facts, progress)
