"""A cosine classifier that removes the component along the mean feature. B batch, C classes, F features, K parts."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

PARTS, TAU, GAMMA, MOMENTUM = 2, 16.0, 1 / 32, 0.9


class CausalClassifier(nn.Module):
    """z_c = (tau / K) sum_k <x_k, w_ck / (|w_ck| + gamma)>, x_k = f_k / |f_k|.

    In evaluation alpha cos(x_k, m_k) m_k is subtracted from x_k, where m is the moving sum of the batches' mean
    features, normalised in each part. Tang, Huang, Zhang, NeurIPS 2020, arXiv:2009.12991, sections 4.2 and 4.3.
    """

    mean_F: Tensor

    def __init__(self, feature_size: int, num_classes: int, alpha: float) -> None:
        """Start with uniform weights [C, F] within 1 / sqrt(F), as the official code, and without a mean feature."""
        super().__init__()
        self.alpha = alpha
        self.parts = PARTS if feature_size % PARTS == 0 else 1
        self.weight_CF = nn.Parameter((2 * torch.rand(num_classes, feature_size) - 1) / feature_size**0.5)
        self.register_buffer("mean_F", torch.zeros(feature_size))

    def update(self, features_BF: Tensor) -> None:
        """Add a batch's mean feature to the moving sum."""
        self.mean_F.mul_(MOMENTUM).add_(features_BF.to(self.mean_F.dtype).mean(0))

    def forward(self, features_BF: Tensor) -> Tensor:
        """Return logits [B, C]."""
        x_BKf = functional.normalize(self._split(features_BF.to(self.weight_CF.dtype)), dim=-1)
        weight_CKf = self._split(self.weight_CF)
        weight_CKf = weight_CKf / (weight_CKf.norm(dim=-1, keepdim=True) + GAMMA)
        if not self.training:
            mean_Kf = functional.normalize(self._split(self.mean_F), dim=-1)
            x_BKf = x_BKf - self.alpha * (x_BKf * mean_Kf).sum(-1, keepdim=True) * mean_Kf
        return TAU / self.parts * functional.linear(x_BKf.flatten(1), weight_CKf.flatten(1))

    def _split(self, features: Tensor) -> Tensor:
        return features.unflatten(-1, (self.parts, -1))
