"""Mixup for the representation, then label-aware smoothing for the classifier, with shifted batch-norm statistics."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from strategies.base import Batch, Facts, Outputs, Phase, Progress, Step, Strategy
from strategies.losses.label_aware_smoothing import LabelAwareSmoothing, check_order
from strategies.mixing.mixup import Mixup
from strategies.registry import register
from strategies.schedules.common import retraining
from strategies.schedules.lws import LearnableWeightScaling
from strategies.space import Real, Space
from strategies.study.oversample import Oversample

if TYPE_CHECKING:
    from torch import Tensor, nn


@register
@dataclasses.dataclass(frozen=True)
class Mislas(Strategy):
    """Mixup up to `start` of the stage's epochs, then the classifier alone, scaled by class: z_c = s_c (w_c x + b_c).

    Zhong, Cui, Liu, Jia, "Improving Calibration for Long-Tailed Recognition", CVPR 2021, arXiv:2104.00466, section 3:
    the second part continues with the first one's classifier, minimises label-aware smoothing (see
    `label-aware-smoothing`) with p_c = 1 / (number of classes that have samples), and lets the frozen network's
    batch-norm statistics move with those batches (section 3.3, shift learning on batch normalisation). The scales are
    those of `lws`, from 1. The second part has its own learning-rate schedule, the classifier at `rate_factor` of
    it.

    Defaults from the official configuration for CIFAR100-LT at ratio 100: `alpha=1`, 200 epochs, then 10
    (`start=0.95`), `head=0.4`, `tail=0.1`, `rate_factor=0.2`. `start` is in [0, 1) and is rounded to the nearest
    epoch, at least one epoch of classifier; `rate_factor` is in (0, 1].
    Deviations: both parts share the stage's epochs, and the first is shared with `mixup(alpha=1)`. `rate_factor` scales
    the classifier's gradients: with SGD this scales its learning rate except for weight decay; with AdamW it has no
    effect.
    """

    name = "mislas"
    summary = "mixup, then only the classifier with label-aware smoothing and moving batch-norm statistics"
    seats = frozenset({"prior", "retraining", "mix"})
    ranges = {"alpha": "(0, inf)", "start": "[0, 1)", "head": "[0, 1)", "tail": "[0, 1)", "rate_factor": "(0, 1]"}

    alpha: float = 1.0
    start: float = 0.95
    head: float = 0.4
    tail: float = 0.1
    rate_factor: float = 0.2

    def space(self) -> Space:
        """Alpha as `mixup`, smoothing as `label-aware-smoothing`; rate factors up to 1."""
        return {
            "alpha": Real(0.1, 1.0, log=True),
            "start": Real(0.8, 0.98),
            "head": Real(0.2, 0.6),
            "tail": Real(0.0, 0.2),
            "rate_factor": Real(0.05, 1.0, log=True),
        }

    def __post_init__(self) -> None:
        """Refuse parameters out of range, and a tail above the head."""
        super().__post_init__()
        check_order(self.name, self.tail, self.head)

    def phases(self, epochs: int, facts: Facts) -> Sequence[Phase]:
        """Mixup up to the start, then the classifier."""
        again = retraining(self.start, epochs, "classifier", new_classifier=False, moving_statistics=True)
        return tuple(dataclasses.replace(phase, active=True) for phase in again)

    def acting(self, phase: Phase) -> Strategy:
        """Return mixup for the first part, which is shared with that strategy."""
        return Mixup(self.alpha) if phase.active and phase.trains == "all" else super().acting(phase)

    def sampling_C(self, facts: Facts, progress: Progress) -> np.ndarray:
        """Return p_C, float64, sum 1."""
        return Oversample().sampling_C(facts, progress)

    def classifier(self, classifier: nn.Module, in_features: int, facts: Facts) -> nn.Module:
        """Return the same classifier with scales [C] on its logits; its own gradients are scaled by `rate_factor`."""
        for parameter in classifier.parameters():
            parameter.register_hook(lambda gradient: self.rate_factor * gradient)
        return LearnableWeightScaling().classifier(classifier, in_features, facts)

    def loss(self, outputs: Outputs, batch: Batch, step: Step) -> Tensor:
        """Return the scalar loss."""
        return LabelAwareSmoothing(self.head, self.tail).loss(outputs, batch, step)
