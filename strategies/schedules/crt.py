"""Classifier re-training: plain training, then a new classifier on class-balanced draws."""

from __future__ import annotations

import dataclasses

import numpy as np

from strategies.base import Facts, Progress
from strategies.registry import register
from strategies.schedules.common import Retraining
from strategies.space import Real, Space
from strategies.study.oversample import Oversample


@register
@dataclasses.dataclass(frozen=True)
class ClassifierRetraining(Retraining):
    """Train plainly up to `start` of the stage's epochs, then a new classifier on the frozen network.

    Kang, Xie, Rohrbach, Yan, Gordo, Feng, Kalantidis, "Decoupling Representation and Classifier for Long-Tailed
    Recognition", ICLR 2020, arXiv:1910.09217, section 4 (cRT): the first part draws instances (q = 1); the second
    initialises the classifier again and draws classes equally, p_c = 1 / (number of classes that have samples) (q = 0).
    Everything below the classifier is frozen, batch-norm statistics included, as the paper says; in the official code
    they move (see `strategies/FIDELITY.md` for a measurement of both). The second part has its own
    learning-rate schedule, as in the paper; at the final rate of the first one a new classifier would hardly train.

    Default from the paper: 90 epochs of representation, 10 of classifier on ImageNet-LT, hence `start=0.9`, rounded
    to the nearest epoch, at least one epoch of classifier. `start` is in [0, 1).
    Deviations: both parts share the stage's epochs, so that every strategy has the same number of steps and the first
    part is shared with plain training; the representation is therefore taken shortly before the learning rate reaches
    its minimum. Images are augmented in the second part too, as in the paper, so that features are not stored.
    """

    name = "crt"
    summary = "train a new classifier on the frozen network, every class drawn equally often"

    def space(self) -> Space:
        """The last third to the last twentieth of the epochs."""
        return {"start": Real(0.7, 0.95)}

    def sampling_C(self, facts: Facts, progress: Progress) -> np.ndarray:
        """Return p_C, float64, sum 1."""
        return Oversample().sampling_C(facts, progress)
