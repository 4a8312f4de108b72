"""Manifold mixup of the pooled features."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from strategies.base import Batch, Facts, Strategy
from strategies.mixing.mixup import draw_beta, draw_partners
from strategies.registry import register
from strategies.space import Real, Space

if TYPE_CHECKING:
    import torch


@register
@dataclasses.dataclass(frozen=True)
class ManifoldMixup(Strategy):
    """Blend each sample's features and target with those of another one j: f' = l f_i + (1 - l) f_j, y' alike.

    Verma, Lamb, Beckham, Najafi, Mitliagkas, Lopez-Paz, Bengio, "Manifold Mixup: Better Representations by
    Interpolating Hidden States", ICML 2019, arXiv:1806.05236, section 2: l ~ Beta(alpha, alpha), once per batch.

    Default `alpha=2` from the paper's experiments on CIFAR; it is positive.
    Deviation: always the pooled features, where the paper draws one of several layers in each step.
    """

    name = "manifold-mixup"
    summary = "blend pairs of pooled features and their targets"
    ranges = {"alpha": "(0, inf)"}

    alpha: float = 2.0

    def space(self) -> Space:
        """From mixup's alpha on ImageNet to twice the paper's on CIFAR."""
        return {"alpha": Real(0.2, 4.0, log=True)}

    def mix_features(self, batch: Batch, facts: Facts, generator: torch.Generator) -> Batch:
        """Return the blended features and targets; `labels_B` are those of the first sample of each pair."""
        share = draw_beta(self.alpha, generator)
        partner_B, features_BF = draw_partners(batch, generator), batch.features_BF
        assert features_BF is not None
        return dataclasses.replace(
            batch,
            features_BF=share * features_BF + (1 - share) * features_BF[partner_B],
            y_BC=share * batch.y_BC + (1 - share) * batch.y_BC[partner_B],
        )
