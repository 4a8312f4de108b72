"""Balanced contrastive learning: a supervised contrastive loss in which all classes have equal weight."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from strategies.base import Batch, Facts, Outputs, Step
from strategies.common import weighted_mean
from strategies.contrast.adjusted import AdjustedContrast
from strategies.registry import register

if TYPE_CHECKING:
    from torch import Tensor, nn

SCALE = 30.0


@register
@dataclasses.dataclass(frozen=True)
class BalancedContrast(AdjustedContrast):
    """L = logit adjustment of the first view + weight * mean_i l_i over the two other views of each image.

    Zhu, Wang, Chen, Chen, Jiang, "Balanced Contrastive Learning for Long-Tailed Visual Recognition", CVPR 2022,
    arXiv:2207.09052: with z_i the projected features of length 1, among them a centre of every class, projected from
    the classifier's weights (class complement),
    l_i = -mean_(p in P_i) log(e^(z_i z_p / T) / sum_c mean_(k in c, k != i) e^(z_i z_k / T)) (class averaging), P_i all
    others of i's class. Both projections are MLPs; the classifier is a cosine classifier of scale 30.

    Defaults `weight=0.35` and `temperature=0.07` (T) from the official code for ImageNet-LT. `weight` is at least 0,
    `temperature` positive.
    Deviations: 128 outputs and 512 hidden units, those of ProCo's code for CIFAR, where the code has 1024 outputs and
    as many hidden units as features; all views are the recipe's augmentation, where the code has its own for each
    branch; class weights and empty classes as in `logit-adjust`.
    """

    name = "bcl"
    summary = "logit adjustment, and a contrast of views in which all classes weigh the same"
    version = "2"

    weight: float = 0.35
    temperature: float = 0.07

    def classifier(self, classifier: nn.Module, in_features: int, facts: Facts) -> nn.Module:
        """Return a cosine classifier with both projections."""
        from backbones.classifiers import CosineClassifier
        from backbones.strategy_layers.contrast import WithCentres

        return WithCentres(CosineClassifier(in_features, facts.num_classes, SCALE, learnt_scale=False), in_features)

    def loss(self, outputs: Outputs, batch: Batch, step: Step) -> Tensor:
        """Return the scalar loss."""
        import torch

        head: Any = step.network and step.network.classifier
        projected_NP = torch.cat([view.extra["projected_BP"] for view in outputs.views])
        labels_N = batch.labels_B.repeat(len(outputs.views))
        loss_N = balanced_contrast(projected_NP, labels_N, head.centres_CP(), self.temperature)
        weight_N = step.weights_C[labels_N]
        contrast = (weight_N * loss_N).sum() / weight_N.sum()
        adjusted = weighted_mean(-outputs.logits_BC.log_softmax(1), batch.y_BC, step.weights_C)
        return adjusted + self.weight * contrast


def balanced_contrast(z_NP: Tensor, labels_N: Tensor, centres_CP: Tensor, temperature: float) -> Tensor:
    """Return l_i, [N], for the projected features of N samples and the centres of the classes, all of length 1."""
    import torch

    classes_C = torch.arange(len(centres_CP), device=labels_N.device)
    labels_M = torch.cat([labels_N, classes_C])
    similarity_NM = z_NP @ torch.cat([z_NP, centres_CP]).T / temperature
    itself_NM = torch.eye(len(z_NP), len(labels_M), dtype=torch.bool, device=z_NP.device)
    positive_NM = (labels_N[:, None] == labels_M) & ~itself_NM
    count_M = (labels_M[:, None] == classes_C).sum(0)[labels_M]
    averaged_NM = similarity_NM - (count_M - positive_NM.long()).to(z_NP.dtype).log()
    all_N1 = averaged_NM.masked_fill(itself_NM, -math.inf).logsumexp(1, keepdim=True)
    log_p_NM = (similarity_NM - all_N1).where(positive_NM, similarity_NM.new_zeros(()))
    return -log_p_NM.sum(1) / positive_NM.sum(1)
