"""Distribution alignment: plain training, then the logits of the frozen network are scaled and shifted by class."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from strategies.base import Facts, Progress
from strategies.common import normalised_weights, positive_counts
from strategies.registry import register
from strategies.schedules.common import Retraining
from strategies.space import Real, Space

if TYPE_CHECKING:
    from torch import Tensor, nn

CONFIDENCE_STD = 0.01


@register
@dataclasses.dataclass(frozen=True)
class DistributionAlignment(Retraining):
    """Train plainly up to `start` of the stage's epochs, then only z'_c = s (alpha_c z_c + beta_c) + (1 - s) z_c.

    Zhang, Li, Yan, He, Sun, "Distribution Alignment: A Unified Framework for Long-tail Visual Recognition", CVPR 2021,
    arXiv:2103.16370, section 3.2: s = sigmoid(v f + b) is a confidence from the features f; the network and its
    classifier are frozen. The loss is weighted by w_c ~ n_c^-rho, of sum C (generalised re-weighting). The second part
    has its own learning-rate schedule.

    Defaults from the official code for ImageNet-LT: 90 epochs, then 10 (`start=0.9`), and `rho=1.2`. `start` is in
    [0, 1) and is rounded to the nearest epoch, at least one epoch of alignment; `rho` is at least 0.
    Starts at alpha = 1, beta = b = 0 and v ~ N(0, 0.01), as in the code for LVIS; its ImageNet code trains
    z (1 + s alpha) + s beta from alpha = 1 and v = 0.1. Deviations: the loss is the weighted mean; these parameters are
    not decayed, as all vectors; both parts share the stage's epochs. A class without samples counts as one sample.
    """

    name = "disalign"
    summary = "scale and shift the logits of the frozen network by class, with class weights"
    trains = "classifier.align_*"
    new_classifier = False
    ranges = {"rho": "[0, inf)"}

    rho: float = 1.2

    def space(self) -> Space:
        """Start as `crt`; rho around the official value."""
        return {"start": Real(0.7, 0.95), "rho": Real(0.5, 2.0)}

    def class_weights_C(self, facts: Facts, progress: Progress) -> np.ndarray:
        """Return w_C, float64, positive, sum C."""
        rarity_C = positive_counts(facts) / positive_counts(facts).max()
        return normalised_weights(rarity_C**-self.rho, facts)

    def classifier(self, classifier: nn.Module, in_features: int, facts: Facts) -> nn.Module:
        """Return the same classifier, its weights under the names they have, with the alignment on its logits."""
        import torch

        for name, start in {
            "align_scale_C": torch.ones(facts.num_classes),
            "align_shift_C": torch.zeros(facts.num_classes),
            "align_confidence_F": CONFIDENCE_STD * torch.randn(in_features),
            "align_bias": torch.zeros(()),
        }.items():
            classifier.register_parameter(name, torch.nn.Parameter(start))
        classifier.register_forward_hook(_aligned)
        return classifier


def _aligned(classifier: nn.Module, inputs: tuple[Tensor, ...], logits_BC: Tensor) -> Tensor:
    """Return z', [B, C]."""
    (features_BF,) = inputs
    at = classifier.get_parameter
    v_F = at("align_confidence_F")
    s_B1 = (features_BF.to(v_F.dtype) @ v_F + at("align_bias")).sigmoid()[:, None]
    return s_B1 * (at("align_scale_C") * logits_BC + at("align_shift_C")) + (1 - s_B1) * logits_BC
