"""Classifiers with extra layers for contrastive losses: projections, class centres and class statistics.

In training they return more than logits; scoring uses the logits only. B batch, C classes, F features, P projected.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

PROJECTED, HIDDEN = 128, 512


def mlp(in_size: int, hidden: int = HIDDEN, out_size: int = PROJECTED) -> nn.Sequential:
    """Return linear - batch norm - ReLU - linear."""
    return nn.Sequential(
        nn.Linear(in_size, hidden), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True), nn.Linear(hidden, out_size)
    )


class WithExtra(nn.Module):
    """A `classifier`, and layers on the same features whose outputs are needed in training only."""

    classifier: nn.Module

    def forward(self, features_BF: Tensor) -> Tensor | Mapping[str, Tensor]:
        """Return the logits [B, C]; in training or with gradients enabled, also the outputs of `extra`."""
        logits_BC = self.classifier(features_BF)
        # a frozen classifier is in evaluation mode even if the layers below it are trained
        needed = self.training or torch.is_grad_enabled()
        return {"logits_BC": logits_BC, **self.extra(features_BF)} if needed else logits_BC

    def extra(self, features_BF: Tensor) -> dict[str, Tensor]:
        """Return the other layers' outputs, [B, ...] each."""
        raise NotImplementedError


class Projecting(WithExtra):
    """A classifier, and a projection of the same features onto the unit sphere."""

    def __init__(self, classifier: nn.Module, feature_size: int) -> None:
        """Add a projection by an MLP to `classifier`, which takes `feature_size` features."""
        super().__init__()
        self.projection = mlp(feature_size)
        self.classifier = classifier

    def extra(self, features_BF: Tensor) -> dict[str, Tensor]:
        """Return `projected_BP`, of length 1."""
        projected_BP = self.projection(features_BF)
        projected_BP = projected_BP.to(torch.promote_types(projected_BP.dtype, torch.float32))
        return {"projected_BP": functional.normalize(projected_BP)}


class WithCentres(Projecting):
    """A linear or cosine classifier with a projection of features, and one of its class weights."""

    def __init__(self, classifier: nn.Module, feature_size: int) -> None:
        """Add both projections to `classifier`, which has its class weights in `weight_CF`."""
        super().__init__(classifier, feature_size)
        self.centring = mlp(feature_size)

    def centres_CP(self) -> Tensor:
        """Return the classes' centres, [C, P], of length 1."""
        weight_CF: Tensor = self.classifier.weight_CF  # type: ignore[assignment]
        return functional.normalize(self.centring(weight_CF))


class WithStatistics(Projecting):
    """A classifier with a projection, and sums of the projected features of each class in this epoch and the last."""

    sums_2CP: Tensor
    counts_2C: Tensor
    start_CP: Tensor

    def __init__(self, classifier: nn.Module, feature_size: int, num_classes: int) -> None:
        """Start without samples; `start_CP` are random directions of length 0.9, the means of classes without any."""
        super().__init__(classifier, feature_size)
        self.register_buffer("sums_2CP", torch.zeros(2, num_classes, PROJECTED))
        self.register_buffer("counts_2C", torch.zeros(2, num_classes))
        self.register_buffer("start_CP", 0.9 * functional.normalize(torch.randn(num_classes, PROJECTED)))

    def means_CP(self, projected_BP: Tensor, labels_B: Tensor) -> Tensor:
        """Return the classes' mean projections over this epoch and the last, with these samples."""
        sum_CP, count_C = self._sums(projected_BP, labels_B)
        sum_CP, count_C = sum_CP + self.sums_2CP.sum(0), count_C + self.counts_2C.sum(0)
        return torch.where(count_C[:, None] > 0, sum_CP / count_C[:, None].clamp_min(1), self.start_CP)

    def add(self, projected_BP: Tensor, labels_B: Tensor) -> None:
        """Count these samples for this epoch."""
        sum_CP, count_C = self._sums(projected_BP, labels_B)
        self.sums_2CP[0] += sum_CP
        self.counts_2C[0] += count_C

    def end_epoch(self) -> None:
        """Discard the previous epoch's sums and make this epoch's the previous ones."""
        for kept in (self.sums_2CP, self.counts_2C):
            kept[1] = kept[0]
            kept[0] = 0.0

    def _sums(self, projected_BP: Tensor, labels_B: Tensor) -> tuple[Tensor, Tensor]:
        one_hot_BC = functional.one_hot(labels_B, len(self.start_CP)).to(self.sums_2CP.dtype)
        return one_hot_BC.T @ projected_BP.detach().to(one_hot_BC.dtype), one_hot_BC.sum(0)


class TwoClassifiers(WithExtra):
    """A scored classifier, an unscored copy, a projection of the features and a prediction of it, both linear."""

    def __init__(self, classifier: nn.Module, feature_size: int) -> None:
        """Add the other layers to `classifier`, which takes `feature_size` features."""
        super().__init__()
        self.second = copy.deepcopy(classifier)
        self.projection = nn.Linear(feature_size, PROJECTED)
        self.prediction = nn.Linear(PROJECTED, PROJECTED)
        self.classifier = classifier

    def extra(self, features_BF: Tensor) -> dict[str, Tensor]:
        """Return `second_BC`, `projected_BP` and `predicted_BP`."""
        projected_BP = self.projection(features_BF)
        return {
            "second_BC": self.second(features_BF),
            "projected_BP": projected_BP,
            "predicted_BP": self.prediction(projected_BP),
        }
