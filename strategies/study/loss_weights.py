"""Loss weights by inverse class frequency, as in the study (shared/study, "Loss")."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from strategies.base import Facts, Progress, Strategy
from strategies.registry import register


@register
@dataclasses.dataclass(frozen=True)
class LossWeights(Strategy):
    """Weight each class's loss by the inverse of its training count.

    `scheme="max-ratio"` (default, the study's published models): w_c = max(n) / n_c, so the largest class weighs 1.
    `scheme="inverse"` (the study's other scheme): w_c = 1 / n_c. A class with no sample never occurs as a target; it
    gets weight 1 under either scheme, so that everything stays finite.

    The loss is PyTorch's weighted mean, sum_i w_i l_i / sum_i w_i over a batch, as in the study. A factor common to all
    weights cancels there, so the two schemes train the same network up to rounding; they would differ only under
    another normalisation (with a plain mean of w_i l_i, `inverse` would act as a far smaller learning rate).
    """

    name = "loss-weights"
    summary = "weigh each class's loss by one over its count"

    scheme: Literal["max-ratio", "inverse"] = "max-ratio"

    def class_weights_C(self, facts: Facts, progress: Progress) -> np.ndarray:
        """Return w_C, float64, positive."""
        counts_C = facts.counts
        scale = counts_C.max() if self.scheme == "max-ratio" else 1.0
        return np.divide(scale, counts_C, out=np.ones_like(counts_C), where=counts_C > 0)
