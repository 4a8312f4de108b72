"""Mixup: every training image is a blend of two, and its target the same blend."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from strategies.base import Batch, Facts, Strategy
from strategies.common import queued
from strategies.registry import register
from strategies.space import Real, Space

if TYPE_CHECKING:
    import torch


def draw_beta(alpha: float, generator: torch.Generator) -> float:
    """Return one draw from Beta(alpha, alpha), in [0, 1]; it depends only on the generator's state."""
    import numpy as np
    import torch

    # torch's Beta distribution takes no generator
    seed = int(torch.randint(2**63 - 1, (1,), generator=generator))
    return float(np.random.default_rng(seed).beta(alpha, alpha))


def draw_partners(batch: Batch, generator: torch.Generator) -> torch.Tensor:
    """Return a permutation [B] of the batch on its device: the partner of each sample, possibly itself."""
    import torch

    return queued(torch.randperm(len(batch.labels_B), generator=generator), batch.labels_B)


@register
@dataclasses.dataclass(frozen=True)
class Mixup(Strategy):
    """Blend each image and its target with those of another sample j of the batch: x' = l x_i + (1 - l) x_j, y' alike.

    Zhang, Cisse, Dauphin, Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", ICLR 2018, arXiv:1710.09412,
    section 2: l ~ Beta(alpha, alpha), drawn once per batch, partners by a permutation of the batch, as in the paper's
    code. A batch of one sample is unchanged.

    Default `alpha=0.2` from the paper's ImageNet experiments (0.1 to 0.4 helped there, 1 on CIFAR); it is positive.
    No deviations; class weights apply to each of a pair's two labels (`common.weighted_mean`).
    """

    name = "mixup"
    summary = "blend pairs of images and their targets"
    version = "2"
    ranges = {"alpha": "(0, inf)"}

    alpha: float = 0.2

    def space(self) -> Space:
        """The paper's values: 0.1 to 0.4 on ImageNet, 1 on CIFAR."""
        return {"alpha": Real(0.1, 1.0, log=True)}

    def mix(self, batch: Batch, facts: Facts, generator: torch.Generator) -> Batch:
        """Return the blended batch; `labels_B` are those of the first sample of each pair."""
        share = draw_beta(self.alpha, generator)
        partner_B = draw_partners(batch, generator)
        return Batch(
            share * batch.images_BCHW + (1 - share) * batch.images_BCHW[partner_B],
            batch.labels_B,
            share * batch.y_BC + (1 - share) * batch.y_BC[partner_B],
        )
