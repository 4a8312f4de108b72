"""Remix: mixup whose target favours the rarer class of the two."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from strategies.base import Batch, Facts, Strategy
from strategies.common import queued
from strategies.mixing.mixup import draw_beta, draw_partners
from strategies.registry import register
from strategies.space import Real, Space

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@register
@dataclasses.dataclass(frozen=True)
class Remix(Strategy):
    """Blend images as mixup does, x' = l x_i + (1 - l) x_j, but targets with a share m_ij that favours the rarer class.

    Chou, Chang, Pan, Wei, Juan, "Remix: Rebalanced Mixup", ECCV workshops 2020, arXiv:2007.03943, section 3:
    y' = m y_i + (1 - m) y_j with m = 0 if n_i / n_j >= kappa and l < tau, m = 1 if n_i / n_j <= 1 / kappa and
    1 - l < tau, m = l otherwise; l ~ Beta(alpha, alpha), once per batch.

    Defaults from the paper's experiments: `kappa=3`, `tau=0.5`, and `alpha=1` as it uses on CIFAR. `kappa` is at
    least 1 (below, both conditions could hold at once), `tau` is in [0, 1], `alpha` is positive.
    No deviations; the counts are the stage's, also when a sampler draws the batch.
    """

    name = "remix"
    summary = "blend pairs of images, with targets that favour the rarer class"
    version = "2"
    ranges = {"alpha": "(0, inf)", "kappa": "[1, inf)", "tau": "[0, 1]"}

    alpha: float = 1.0
    kappa: float = 3.0
    tau: float = 0.5

    def space(self) -> Space:
        """Alpha as mixup; kappa and tau around the paper's."""
        return {"alpha": Real(0.1, 1.0, log=True), "kappa": Real(1.5, 10.0, log=True), "tau": Real(0.2, 0.8)}

    def mix(self, batch: Batch, facts: Facts, generator: torch.Generator) -> Batch:
        """Return the blended batch; `labels_B` are those of the first sample of each pair."""
        share = draw_beta(self.alpha, generator)
        partner_B = draw_partners(batch, generator)
        target_share_B1 = self._target_share_B(batch.labels_B, batch.labels_B[partner_B], facts, share)[:, None]
        target_share_B1 = target_share_B1.to(batch.y_BC.dtype)
        return Batch(
            share * batch.images_BCHW + (1 - share) * batch.images_BCHW[partner_B],
            batch.labels_B,
            target_share_B1 * batch.y_BC + (1 - target_share_B1) * batch.y_BC[partner_B],
        )

    def _target_share_B(self, first_B: Tensor, second_B: Tensor, facts: Facts, share: float) -> Tensor:
        """Return m, float64 [B], for the classes of the two samples of each pair."""
        import torch

        counts_C = queued(torch.from_numpy(facts.counts), first_B)
        first_n_B, second_n_B = counts_C[first_B], counts_C[second_B]
        share_B = torch.full_like(first_n_B, share)
        if share < self.tau:  # products instead of ratios, because a count may be 0
            share_B = share_B.masked_fill(first_n_B >= self.kappa * second_n_B, 0.0)
        if 1 - share < self.tau:
            share_B = share_B.masked_fill(self.kappa * first_n_B <= second_n_B, 1.0)
        return share_B
