"""Consistency of global and local mixtures of the same images, under a loss that shifts to the rare classes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from strategies.base import Batch, Facts, Outputs, Progress, Step, Strategy
from strategies.common import normalised_weights, positive_counts, weighted_mean
from strategies.mixing.cutmix import draw_box
from strategies.mixing.mixup import draw_beta
from strategies.registry import register
from strategies.space import Real, Space

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


@register
@dataclasses.dataclass(frozen=True)
class MixtureConsistency(Strategy):
    """L = mean_v [a CE(second_v, y) + (1 - a) CE_w(z_v, y) - consistency cos(p_v, h_w)], w the other view of two.

    Du, Yang, Jia, Nan, Chen, Yang, "Global and Local Mixture Consistency Cumulative Learning for Long-tailed Visual
    Recognitions", CVPR 2023, arXiv:2305.08661: one view of each image is blended with one of a second batch as in
    mixup, another view gets a box of it as in CutMix, with the same l ~ Beta(1, 1) and the target
    y = l y_i + (1 - l) y_j. h is a projection of the features, taken as a constant, and p a prediction of it. Two
    classifiers share the features; a = 1 - (epoch / epochs)^2, the second one is not scored, and CE_w has the class
    weights w_c ~ n_c^-reweighting of sum C. Samples of the second batch are drawn with a weight of n_c^-resampling.

    Defaults from the official code (ynu-yangpeng/GLMC): `consistency=10`, `resampling=0.2`, `reweighting=1`; 128
    projected features, as for ResNet-32. All are at least 0.
    Deviations: the mean over both views, where the code has the sum, because the learning rate is the recipe's; CE_w is
    the weighted mean ("reduction"), where the code divides by the number of samples; the second classifier starts with
    the first one's weights. As in the code, y is not corrected for a box clipped by the border.
    """

    name = "glmc"
    summary = "consistent global and local mixtures, under a loss that turns to the rare classes"
    seats = frozenset({"prior"})
    needs = frozenset({"pixels"})
    ranges = {"consistency": "[0, inf)", "resampling": "[0, inf)", "reweighting": "[0, inf)"}

    consistency: float = 10.0
    resampling: float = 0.2
    reweighting: float = 1.0

    def space(self) -> Space:
        """Around the official values; resampling from none to balanced draws."""
        return {"consistency": Real(0.5, 20.0, log=True), "resampling": Real(0.0, 1.0), "reweighting": Real(0.0, 1.5)}

    def views(self) -> int:
        """Return 2: one is blended, one gets a box."""
        return 2

    def second_C(self, facts: Facts, progress: Progress) -> np.ndarray:
        """Return p_c ~ n_c^(1 - resampling), float64, sum 1."""
        relative_C = positive_counts(facts) / positive_counts(facts).max()
        weight_C = np.where(facts.counts > 0, relative_C ** (1 - self.resampling), 0.0)
        return weight_C / weight_C.sum()

    def mix(self, batch: Batch, facts: Facts, generator: torch.Generator) -> Batch:
        """Return the blended batch, whose view has boxes; `labels_B` are those of the first batch."""
        second, (local,) = batch.second, batch.views
        assert second is not None
        share = draw_beta(1.0, generator)
        height, width = local.images_BCHW.shape[-2:]
        top, bottom, left, right = draw_box(height, width, share, generator)
        boxed_BCHW = local.images_BCHW.clone()
        boxed_BCHW[:, :, top:bottom, left:right] = second.views[0].images_BCHW[:, :, top:bottom, left:right]
        y_BC = share * batch.y_BC + (1 - share) * second.y_BC
        blended_BCHW = share * batch.images_BCHW + (1 - share) * second.images_BCHW
        return Batch(blended_BCHW, batch.labels_B, y_BC, views=(Batch(boxed_BCHW, batch.labels_B, y_BC),))

    def classifier(self, classifier: nn.Module, in_features: int, facts: Facts) -> nn.Module:
        """Return the classifier with the second one, the projection and the prediction."""
        from backbones.strategy_layers.contrast import TwoClassifiers

        return TwoClassifiers(classifier, in_features)

    def weights_C(self, facts: Facts) -> np.ndarray:
        """Return w_C, float64, positive, sum C."""
        rarity_C = positive_counts(facts) / positive_counts(facts).max()
        return normalised_weights(rarity_C**-self.reweighting, facts)

    def loss(self, outputs: Outputs, batch: Batch, step: Step) -> Tensor:
        """Return the scalar loss."""
        from torch.nn.functional import cosine_similarity

        share = 1 - step.progress.fraction**2
        w_C = step.constant(self.weights_C(step.facts), step.weights_C) * step.weights_C
        pairs = [(outputs, batch), *zip(outputs.views, batch.views, strict=True)]
        loss = outputs.logits_BC.new_zeros(())
        for made, given in pairs:
            plain = weighted_mean(-made.extra["second_BC"].log_softmax(1), given.y_BC, step.weights_C)
            loss = loss + share * plain
            loss = loss + (1 - share) * weighted_mean(-made.logits_BC.log_softmax(1), given.y_BC, w_C)
        for one, other in ((outputs, outputs.views[0]), (outputs.views[0], outputs)):
            cosine_B = cosine_similarity(one.extra["predicted_BP"], other.extra["projected_BP"].detach(), dim=1)
            loss = loss - self.consistency * cosine_B.mean()
        return loss / len(pairs)
