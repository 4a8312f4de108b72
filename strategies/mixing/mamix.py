"""Margin-aware mixup: a pair's target switches class close to the frequent sample."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from strategies.base import Batch, Facts, Strategy
from strategies.common import positive_counts, queued
from strategies.mixing.mixup import draw_beta, draw_partners
from strategies.registry import register
from strategies.space import Real, Space

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@register
@dataclasses.dataclass(frozen=True)
class MarginAwareMixup(Strategy):
    """Blend images as mixup does, x' = (1 - l) x_i + l x_j, with a target share t of y_i that is piecewise linear in l.

    Cheng, Mai, Lin, "From SMOTE to Mixup for Deep Imbalanced Classification", TAAI 2023, arXiv:2308.15457: with
    m = n_i^f / (n_i^f + n_j^f), t falls from 1 at l = 0 to 1/2 at l = m and to 0 at l = 1: t is 1 - l / (2 m) for
    l <= m and (1 - l) / (2 (1 - m)) otherwise; l ~ Beta(alpha, alpha), once per batch. For f < 0 the target
    reaches 1/2 closer to the frequent class, which gives the rare one the larger margin.

    Defaults `ratio=-0.25` (f) and `alpha=1` from the official code (ntucllab/imbalanced-DL); f = -1/4 gives margins in
    the proportion of LDAM's, f = 0 is mixup. `ratio` is finite, `alpha` positive. The paper's pair is `mamix+drw`.
    Deviations: none for classes with samples; a class without samples counts as one sample.
    """

    name = "mamix"
    summary = "blend pairs of images, with targets that give the rarer class the larger margin"
    ranges = {"alpha": "(0, inf)", "ratio": "(-inf, inf)"}

    alpha: float = 1.0
    ratio: float = -0.25

    def space(self) -> Space:
        """Alpha around 1; f from 0, which is mixup, to twice the default."""
        return {"alpha": Real(0.2, 2.0, log=True), "ratio": Real(-0.5, 0.0)}

    def mix(self, batch: Batch, facts: Facts, generator: torch.Generator) -> Batch:
        """Return the blended batch; `labels_B` are those of the first sample of each pair."""
        share = draw_beta(self.alpha, generator)
        partner_B = draw_partners(batch, generator)
        target_share_B1 = self._target_share_B(batch.labels_B, batch.labels_B[partner_B], facts, share)[:, None]
        target_share_B1 = target_share_B1.to(batch.y_BC.dtype)
        return Batch(
            (1 - share) * batch.images_BCHW + share * batch.images_BCHW[partner_B],
            batch.labels_B,
            target_share_B1 * batch.y_BC + (1 - target_share_B1) * batch.y_BC[partner_B],
        )

    def _target_share_B(self, first_B: Tensor, second_B: Tensor, facts: Facts, share: float) -> Tensor:
        """Return t, float64 [B], for the classes of the two samples of each pair."""
        import torch

        log_n_C = queued(torch.from_numpy(positive_counts(facts)).log(), first_B)
        difference_B = self.ratio * (log_n_C[first_B] - log_n_C[second_B])
        # m and 1 - m as sigmoids: n^f overflows for large counts
        m_B, rest_B = (torch.sigmoid(d_B).clamp_min(1e-300) for d_B in (difference_B, -difference_B))
        near_B, far_B = 1 - 0.5 * share / m_B, 0.5 * (1 - share) / rest_B
        return torch.where(share <= m_B, near_B, far_B)
