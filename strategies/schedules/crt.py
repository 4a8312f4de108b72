"""Classifier re-training: the representation trained plainly, then a new classifier on classes drawn equally often."""

from __future__ import annotations

import dataclasses

import numpy as np

from strategies.base import Facts, Progress
from strategies.registry import register
from strategies.schedules.common import Retraining
from strategies.study.oversample import Oversample


@register
@dataclasses.dataclass(frozen=True)
class ClassifierRetraining(Retraining):
    """Train plainly up to `start` of the stage's epochs, then a new classifier on the frozen network.

    Kang, Xie, Rohrbach, Yan, Gordo, Feng, Kalantidis, "Decoupling Representation and Classifier for Long-Tailed
    Recognition", ICLR 2020, arXiv:1910.09217, section 4 (cRT): the first part draws instances (q = 1), the second
    starts the classifier afresh and draws classes equally, p_c = 1 / (number of classes that have samples) (q = 0).
    Everything below the classifier is frozen, batch-norm statistics included. The learning rate runs its whole course
    again over the second part, as there; on what is left of a finished course a new classifier would hardly train.

    Default from the paper: 90 epochs of representation, 10 of classifier on ImageNet-LT, hence `start=0.9`, rounded
    to the nearest epoch, at least one epoch of classifier. `start` lies in [0, 1).
    Deviates: both parts share the stage's epochs, so that steps match and the first is plain training's own beginning;
    the representation is therefore taken where the learning rate has almost, not wholly, run out. Images stay
    augmented in the second part, as there, and so are not stored as features.
    """

    name = "crt"
    summary = "train the classifier again on frozen features, every class drawn equally often"
    paper = (
        "Kang, Xie, Rohrbach, Yan, Gordo, Feng, Kalantidis: Decoupling Representation and Classifier for Long-Tailed "
        "Recognition, ICLR 2020, arXiv:1910.09217"
    )

    def sampling_C(self, facts: Facts, progress: Progress) -> np.ndarray:
        """Return p_C, float64, sum 1."""
        return Oversample().sampling_C(facts, progress)
