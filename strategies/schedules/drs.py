"""Deferred re-sampling: plain training, then nearly class-balanced draws for the last part of the stage."""

from __future__ import annotations

import dataclasses

import numpy as np

from strategies.base import Facts, Progress
from strategies.losses.class_balanced import ClassBalanced
from strategies.registry import register
from strategies.schedules.common import Deferred


@register
@dataclasses.dataclass(frozen=True)
class DeferredResampling(Deferred):
    """Train plainly up to `start` of the stage's epochs, then on classes drawn by a sampler.

    Cao, Wei, Gaidon, Arechiga, Ma, "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss",
    NeurIPS 2019, arXiv:1906.07413, section 3.3 and the comparison with deferred re-sampling (DRS). Alone, or with
    parts that do not sample (`ldam+drs`), each sample is drawn with a weight of one over its class's effective number,
    so that p_c ~ n_c (1 - beta) / (1 - beta^n_c), as the official code draws (`ImbalancedDatasetSampler`): equal for
    classes far below 1 / (1 - beta) samples, more for larger ones. Together with a sampler (`drs+oversample`, equal
    draws) it only defers: that sampler acts from `start` on.

    Defaults from the official code on CIFAR: `beta=0.9999`, and from epoch 160 of 200 on, as for its deferred weights,
    hence `start=0.8`. `start` is in [0, 1) and is rounded to the nearest epoch; at least the last epoch is sampled.
    Deviations: an epoch has as many draws as there are samples, and the learning rate follows the recipe throughout.
    """

    name = "drs"
    summary = "draw classes by the inverse effective number for the last part of the training only"
    version = "2"
    defers = frozenset({"sampling_C", "kept_C", "resample_rows", "resample_features"})

    def sampling_C(self, facts: Facts, progress: Progress) -> np.ndarray:
        """Return p_C, float64, sum 1."""
        drawn_C = facts.counts * ClassBalanced(self.beta).class_weights_C(facts, progress)
        return drawn_C / drawn_C.sum()
