"""Class-balanced weights from the effective number of samples."""

from __future__ import annotations

import dataclasses

import numpy as np

from strategies.base import Facts, Progress, Strategy
from strategies.common import normalised_weights, positive_counts
from strategies.registry import register
from strategies.space import Choice, Space


@register
@dataclasses.dataclass(frozen=True)
class ClassBalanced(Strategy):
    """w_c = (1 - beta) / (1 - beta^n_c), scaled to sum C.

    Cui, Jia, Lin, Song, Belongie, "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019,
    arXiv:1901.05555, section 4: the effective number (1 - beta^n) / (1 - beta) counts samples that add something new:
    beta = 0 weighs all classes equally, beta -> 1 by the inverse count. `beta` is in [0, 1); the default 0.9999 is one
    of the values that the paper tries (section 5) and the one in the official code of LDAM and of the
    influence-balanced loss. With `focal` it is the paper's class-balanced focal loss.

    Deviation: the paper states the loss of one sample; over a batch the weighted mean is taken
    (`common.weighted_mean`), in which the scale to sum C cancels. A class without samples weighs 1.
    """

    name = "class-balanced"
    summary = "weigh each class's loss by one over its effective number of samples"
    ranges = {"beta": "[0, 1)"}

    beta: float = 0.9999

    def space(self) -> Space:
        """The four values of section 5."""
        return {"beta": Choice((0.9, 0.99, 0.999, 0.9999))}

    def class_weights_C(self, facts: Facts, progress: Progress) -> np.ndarray:
        """Return w_C, float64, positive, sum C."""
        return normalised_weights((1 - self.beta) / (1 - self.beta ** positive_counts(facts)), facts)
