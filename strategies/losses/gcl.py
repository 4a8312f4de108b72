"""Gaussian clouded logits: noise that grows with a class's rarity lowers its training logits."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from strategies.base import Batch, Facts, Outputs, Step, Strategy
from strategies.common import positive_counts, queued
from strategies.registry import register
from strategies.space import Real, Space

if TYPE_CHECKING:
    from torch import Tensor, nn

DEVIATION = 1 / 3  # of the noise, which is then cut at -1 and 1


@register
@dataclasses.dataclass(frozen=True)
class GaussianClouded(Strategy):
    """Train with z_ic = s (cos_ic - a |e_ic| d_c), d_c = (log n_max - log n_c) / (log n_max - log n_min).

    Li, Cheung, Lu, "Long-tailed Visual Recognition via Gaussian Clouded Logit Adjustment", CVPR 2022, section 3: e_ic
    ~ N(0, 1/3), cut to [-1, 1], one draw for each sample and class; a rare class's logits lose most, which spreads its
    features in training. The classifier is replaced by one with normalised features and weights and no bias; the scored
    logits are s cos.

    Defaults `scale=30` (s) and `noise=0.5` (a) from the official code (Keke921/GCLLoss). `scale` is positive, `noise`
    at least 0.
    Deviations: the paper then trains the classifier again on class-balanced draws; that is `gcl+crt`, whose second part
    starts a new linear classifier. The code continues with the first one, with mixup, a focal factor, scale 20 and a
    margin of 0.1. Class weights are initialised as in `ldam`. A class without samples counts as one sample; balanced
    counts have no noise (the code divides by zero).
    """

    name = "gcl"
    summary = "noise that grows with rarity lowers the training logits, on a cosine classifier"
    version = "2"
    seats = frozenset({"prior"})
    ranges = {"scale": "(0, inf)", "noise": "[0, inf)"}

    scale: float = 30.0
    noise: float = 0.5

    def space(self) -> Space:
        """A factor of two or three around the official values."""
        return {"scale": Real(10.0, 60.0, log=True), "noise": Real(0.1, 1.0)}

    def rarity_C(self, facts: Facts) -> np.ndarray:
        """Return d_c, float64 [C], from 0 for the most frequent class to 1 for the rarest; all 0 if none is rarer."""
        log_n_C = np.log(positive_counts(facts))
        range_ = np.ptp(log_n_C)
        return (log_n_C.max() - log_n_C) / range_ if range_ else np.zeros_like(log_n_C)

    def classifier(self, classifier: nn.Module, in_features: int, facts: Facts) -> nn.Module:
        """Return a cosine classifier with the fixed scale."""
        from backbones.classifiers import CosineClassifier

        return CosineClassifier(in_features, facts.num_classes, self.scale, learnt_scale=False)

    def train_logits(self, outputs: Outputs, batch: Batch, step: Step) -> Tensor:
        """Return s (cos - a |e| d), [B, C]."""
        import torch

        logits_BC = outputs.logits_BC
        e_BC = queued(torch.randn(logits_BC.shape, generator=step.generator), logits_BC)
        e_BC = (e_BC * DEVIATION).clamp(-1, 1).to(logits_BC.dtype)
        return logits_BC - e_BC.abs() * step.constant(self.scale * self.noise * self.rarity_C(step.facts), logits_BC)
