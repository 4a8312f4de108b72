"""Learnable weight scaling: plain training, then one scale per class on class-balanced draws."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from strategies.base import Facts, Progress
from strategies.registry import register
from strategies.schedules.common import Retraining
from strategies.space import Real, Space
from strategies.study.oversample import Oversample

if TYPE_CHECKING:
    from torch import Tensor, nn


@register
@dataclasses.dataclass(frozen=True)
class LearnableWeightScaling(Retraining):
    """Train plainly up to `start` of the stage's epochs, then only one factor s_c per class: logit_c = s_c * z_c.

    Kang, Xie, Rohrbach, Yan, Gordo, Feng, Kalantidis, "Decoupling Representation and Classifier for Long-Tailed
    Recognition", ICLR 2020, arXiv:1910.09217, section 4, equation 4 (LWS, w'_c = s_c w_c): the classifier keeps its
    directions and learns their lengths, from s_c = 1, with p_c = 1 / (number of classes that have samples). All other
    weights and the batch-norm statistics, the classifier's own included, are frozen (as in `crt`; the official code
    lets the statistics move). The second part has its own learning-rate schedule, as in the paper.

    Default from the official configuration for ImageNet-LT: 90 epochs of representation, 5 of scales, hence
    `start=0.95`, rounded to the nearest epoch, at least one epoch of scales. `start` is in [0, 1).
    Deviations: s_c multiplies the whole logit z_c, bias included, as in the authors' code; the paper leaves the bias
    out. This makes it work on any classifier. As in `crt`, both parts share the stage's epochs.
    """

    name = "lws"
    summary = "train one scale per class on the frozen network, every class drawn equally often"
    trains = "classifier.class_scale_C"
    new_classifier = False

    start: float = 0.95

    def space(self) -> Space:
        """The last fifth to the last fiftieth of the epochs."""
        return {"start": Real(0.8, 0.98)}

    def sampling_C(self, facts: Facts, progress: Progress) -> np.ndarray:
        """Return p_C, float64, sum 1."""
        return Oversample().sampling_C(facts, progress)

    def classifier(self, classifier: nn.Module, in_features: int, facts: Facts) -> nn.Module:
        """Return the same classifier, its weights under the names they have, with the scales [C] on its logits."""
        import torch

        classifier.register_parameter("class_scale_C", torch.nn.Parameter(torch.ones(facts.num_classes)))
        classifier.register_forward_hook(_scaled)
        return classifier


def _scaled(classifier: nn.Module, inputs: tuple[Tensor, ...], logits_BC: Tensor) -> Tensor:
    """Return s_c * z_c."""
    return logits_BC * classifier.get_parameter("class_scale_C")
