"""Label-distribution-aware margins on a cosine classifier."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from strategies.base import Batch, Facts, Outputs, Step, Strategy
from strategies.registry import register
from strategies.space import Real, Space

if TYPE_CHECKING:
    from torch import Tensor, nn


@register
@dataclasses.dataclass(frozen=True)
class Ldam(Strategy):
    """l = -log(e^(s (cos_y - m_y)) / (e^(s (cos_y - m_y)) + sum_(c != y) e^(s cos_c))), m_c = K / n_c^(1/4).

    Cao, Wei, Gaidon, Arechiga, Ma, "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss",
    NeurIPS 2019, arXiv:1906.07413, section 3.2, in the softmax form that the paper trains (not LDAM-HG). K is such that
    the largest margin of a class with samples is `max_margin`. The classifier is replaced by one with normalised
    features and weights and no bias, which multiplies by the fixed `scale` s: the scored logits are s cos. Both
    parameters are positive; 0.5 and 30 are those of the official code (kaidic/LDAM-DRW). With `drw+class-balanced` it
    is LDAM-DRW. It holds the seat "prior", because its margins correct the logits by the class counts.

    Deviations: the directions of the first class weights, of length 1 as in the official code, are uniform on the
    sphere instead of in a cube (`CosineClassifier`). For mixed targets the margin is weighted by y. A class without
    samples is never a target; it has the margin `max_margin`.
    """

    name = "ldam"
    summary = "margins that grow with rarity, on a cosine classifier"
    version = "2"
    seats = frozenset({"prior"})
    joined_in_paper = frozenset({"class_weights_C", "sampling_C"})  # deferred weights and samplers: tables 2 and 3
    ranges = {"max_margin": "(0, inf)", "scale": "(0, inf)"}

    max_margin: float = 0.5
    scale: float = 30.0

    def space(self) -> Space:
        """Scales around the official one; margins below it too, which frozen features need (FIDELITY.md)."""
        return {"max_margin": Real(0.01, 1.0, log=True), "scale": Real(10.0, 60.0, log=True)}

    def margins_C(self, facts: Facts) -> np.ndarray:
        """Return m_c, float64 [C], the largest `max_margin`."""
        present_C = facts.counts > 0
        least = facts.counts[present_C].min()
        return self.max_margin * (least / np.where(present_C, facts.counts, least)) ** 0.25

    def classifier(self, classifier: nn.Module, in_features: int, facts: Facts) -> nn.Module:
        """Return a cosine classifier with the fixed scale."""
        from backbones.classifiers import CosineClassifier

        return CosineClassifier(in_features, facts.num_classes, self.scale, learnt_scale=False)

    def train_logits(self, outputs: Outputs, batch: Batch, step: Step) -> Tensor:
        """Return s (cos - y m), [B, C]."""
        margins_C = step.constant(self.scale * self.margins_C(step.facts), outputs.logits_BC)
        return outputs.logits_BC - batch.y_BC * margins_C
