"""Total direct effect: remove the logits' component along the mean training feature."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from strategies.base import Batch, Facts, Outputs, Step, Strategy
from strategies.registry import register
from strategies.space import Real, Space

if TYPE_CHECKING:
    from torch import nn


@register
@dataclasses.dataclass(frozen=True)
class TotalDirectEffect(Strategy):
    """Train z_c = (tau / K) sum_k <f_k / |f_k|, w_ck / (|w_ck| + gamma)>; score it without the part along the mean.

    Tang, Huang, Zhang, "Long-Tailed Classification by Keeping the Good and Removing the Bad Momentum Causal Effect",
    NeurIPS 2020, arXiv:2009.12991, sections 4.2 and 4.3: features and weights are cut into K = 2 parts; m <- 0.9 m +
    mean_i f_i after every step, and in evaluation alpha cos(f_k, m_k) m_k / |m_k| is subtracted from
    f_k / |f_k|. tau = 16, gamma = 1/32.

    Default `alpha=1.5` from the official configuration for CIFAR100-LT with ResNet-32 (1 for CIFAR10-LT, 3 in the class
    itself); it is at least 0 and does not influence the training. The other values are that configuration's.
    Deviations: none known; an odd number of features is one part.
    """

    name = "tde"
    summary = "a cosine classifier that ignores the direction of the mean feature when it scores"
    seats = frozenset({"prior"})
    ranges = {"alpha": "[0, inf)"}

    alpha: float = 1.5

    def space(self) -> Space:
        """Around the official values, 1 to 3."""
        return {"alpha": Real(0.5, 3.0)}

    def classifier(self, classifier: nn.Module, in_features: int, facts: Facts) -> nn.Module:
        """Return the classifier with a buffer for the mean feature."""
        from backbones.strategy_layers.causal import CausalClassifier

        return CausalClassifier(in_features, facts.num_classes, self.alpha)

    def after_step(self, network: nn.Module, outputs: Outputs, batch: Batch, step: Step) -> None:
        """Update the mean feature."""
        classifier: Any = network.classifier
        classifier.update(outputs.features_BF)
