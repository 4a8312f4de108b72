"""Layers on top of an encoder. Shapes: B batch, C classes, F features, T positions of a feature map, H W its sides."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

HIDDEN_SIZE = 512
DROPOUT = 0.2


def mlp(feature_size: int, num_classes: int, hidden_layers: int) -> nn.Sequential:
    """Return `hidden_layers` times (linear to 512 - batch norm - ReLU - dropout 0.2), then linear to `num_classes`.

    The study asks for "more fully connected layers" without sizes; 512 keeps mlp3 below a tenth of ResNet-50's
    parameters, and 0.2 is timm's `drop_rate` for its EfficientNets. The hidden linear layers have no bias: batch norm
    would cancel it.
    """
    layers: list[nn.Module] = []
    for size in [feature_size, *[HIDDEN_SIZE] * (hidden_layers - 1)]:
        layers += [nn.Linear(size, HIDDEN_SIZE, bias=False), nn.BatchNorm1d(HIDDEN_SIZE), nn.ReLU(inplace=True)]
        layers.append(nn.Dropout(DROPOUT))
    return nn.Sequential(*layers, nn.Linear(HIDDEN_SIZE, num_classes))


class CosineClassifier(nn.Module):
    """logit_c = s * <f, w_c> / (|f| |w_c|), with a learnt (or a fixed) scale s > 0 and no bias.

    Gidaris and Komodakis, "Dynamic Few-Shot Visual Learning without Forgetting", CVPR 2018 (section 3.2); as there,
    s is one learnt number that starts at 10. Class weights are normalised, so frequent classes gain nothing by length.
    """

    def __init__(self, feature_size: int, num_classes: int, scale: float = 10.0, *, learnt_scale: bool = True) -> None:
        """Start with class weights [C, F] of length 1 in uniform directions, and the given scale.

        Their length does not affect the logits but divides the gradient: at length sqrt(F) they would hardly rotate.
        """
        super().__init__()
        self.weight_CF = nn.Parameter(functional.normalize(torch.randn(num_classes, feature_size), dim=1))
        start = torch.tensor(float(scale))
        if learnt_scale:
            self.scale = nn.Parameter(start)
        else:  # a buffer, not a frozen parameter: unfreezing the classifier must not make it trainable
            self.register_buffer("scale", start)

    def start_at_means(self, features_NF: np.ndarray, labels_N: np.ndarray) -> None:
        """Set the class weights to the normalised class means of the features; classes without samples keep theirs."""
        sum_CF = np.zeros(tuple(self.weight_CF.shape))
        np.add.at(sum_CF, labels_N, features_NF.astype(np.float64))
        with torch.no_grad():
            for label in np.unique(labels_N):
                mean_F = torch.from_numpy(sum_CF[label])
                self.weight_CF[label] = functional.normalize(mean_F, dim=0).to(self.weight_CF)

    def forward(self, features_BF: Tensor) -> Tensor:
        """Return logits [B, C], each within the scale."""
        unit_BF = functional.normalize(features_BF, dim=-1)
        return self.scale * functional.linear(unit_BF, functional.normalize(self.weight_CF, dim=-1))


class NearestMean(nn.Module):
    """Scores classes by the similarity of a feature to their means, which `fill` sets; it has no trained parameters.

    "cosine": cos(f, m_c), m_c the mean of the class's features; "euclid": -|f / |f| - m_c|^2, m_c the mean of f / |f|.
    A class without samples scores `BELOW`, less than the minimum of any other.
    """

    BELOW = {"cosine": -2.0, "euclid": -5.0}
    mean_CF: Tensor
    present_C: Tensor

    def __init__(self, feature_size: int, num_classes: int, metric: str) -> None:
        """Start without means: every class is without samples."""
        super().__init__()
        self.metric = metric
        self.register_buffer("mean_CF", torch.zeros(num_classes, feature_size))
        self.register_buffer("present_C", torch.zeros(num_classes, dtype=torch.bool))

    def fill(self, features_NF: np.ndarray, labels_N: np.ndarray) -> None:
        """Set the means from features and their labels."""
        features_NF = features_NF.astype(np.float64)
        if self.metric == "euclid":
            features_NF = features_NF / np.maximum(np.linalg.norm(features_NF, axis=1, keepdims=True), 1e-12)
        sum_CF = np.zeros(tuple(self.mean_CF.shape))
        np.add.at(sum_CF, labels_N, features_NF)
        count_C = np.bincount(labels_N, minlength=len(sum_CF))
        self.mean_CF.copy_(torch.from_numpy(sum_CF / np.maximum(count_C, 1)[:, None]))
        self.present_C.copy_(torch.from_numpy(count_C > 0))

    def forward(self, features_BF: Tensor) -> Tensor:
        """Return scores [B, C], always float32, because bfloat16 would tie close classes."""
        with torch.autocast(features_BF.device.type, enabled=False):
            unit_BF = functional.normalize(features_BF.float(), dim=-1)
            if self.metric == "cosine":
                score_BC = functional.linear(unit_BF, functional.normalize(self.mean_CF, dim=-1))
            else:
                length_B1 = unit_BF.square().sum(-1, keepdim=True)
                score_BC = 2 * functional.linear(unit_BF, self.mean_CF) - length_B1 - self.mean_CF.square().sum(-1)
            return score_BC.where(self.present_C, self.BELOW[self.metric])


def positions(map_: Tensor, map_size: int) -> Tensor:
    """Return a feature map as [B, T, F].

    Takes convolutional maps [B, F, H, W], Swin's [B, H, W, F] and tokens [B, T, F]; `map_size` is F and tells which
    axis holds the features. If both fit (H = F), [B, F, H, W] is assumed.
    """
    if map_.ndim == 3:
        return map_
    if map_.shape[1] == map_size:
        return map_.flatten(2).transpose(1, 2)
    return map_.flatten(1, 2)


class MeanPool(nn.Module):
    """The mean over a feature map's positions: [B, F, H, W], [B, H, W, F] or [B, T, F] to [B, F]."""

    def __init__(self, map_size: int) -> None:
        """Pool maps of `map_size` features."""
        super().__init__()
        self.map_size = map_size

    def forward(self, map_: Tensor) -> Tensor:
        """Return features [B, F]."""
        return positions(map_, self.map_size).mean(dim=1)


class AttentionPool(nn.Module):
    """Attention pooling: learnt queries attend to the positions of a feature map, each for its group of features.

    The features are split into G groups of F/G. With x_t = LN(map_t) and a query q_g per group,
    a_gt = softmax_t(<q_g, x_gt> / sqrt(F/G)), and the output is the concatenation over g of sum_t a_gt map_gt.
    This is multi-head attention (Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3.2; G = 8 as
    there) with a learnt query as in the Set Transformer's pooling (Lee et al., ICML 2019, section 3.2), without the
    projections: the classifier's linear layer comes next. Queries start at zero, so training starts at mean pooling.
    """

    def __init__(self, map_size: int, groups: int = 8) -> None:
        """Pool maps of F = `map_size` features; `groups` falls to the next divisor of F."""
        super().__init__()
        self.map_size = map_size
        self.groups = next(g for g in range(min(groups, map_size), 0, -1) if map_size % g == 0)
        # no scale or shift: the queries absorb a scale, and the softmax over positions cancels a shift
        self.norm = nn.LayerNorm(map_size, elementwise_affine=False)
        self.query_F = nn.Parameter(torch.zeros(map_size))

    def forward(self, map_: Tensor) -> Tensor:
        """Return features [B, F] for a map [B, F, H, W], [B, H, W, F] or [B, T, F]."""
        x_BTF = positions(map_, self.map_size)
        query_BG1f = self._split(self.query_F.expand(len(x_BTF), 1, -1))
        pooled_BG1f = functional.scaled_dot_product_attention(
            query_BG1f, self._split(self.norm(x_BTF)), self._split(x_BTF)
        )
        return pooled_BG1f.flatten(1)

    def _split(self, x_BTF: Tensor) -> Tensor:
        """Return [B, G, T, F/G]."""
        return x_BTF.unflatten(-1, (self.groups, -1)).transpose(1, 2)
