"""Influence-balanced loss: samples with a large effect on the decision boundary count less."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from strategies.base import Batch, Facts, Outputs, Phase, Step, Strategy
from strategies.common import normalised_weights, positive_counts, weighted_mean
from strategies.registry import register
from strategies.schedules.common import deferred
from strategies.space import Real, Space

if TYPE_CHECKING:
    from torch import Tensor


@register
@dataclasses.dataclass(frozen=True)
class InfluenceBalanced(Strategy):
    """l = lambda_y CE(p, y) / (|p - y|_1 |h|_1 + epsilon), lambda_c = alpha (1 / n_c), scaled to sum alpha C.

    Park, Lim, Jeon, Choi, "Influence-Balanced Loss for Imbalanced Visual Classification", ICCV 2021, arXiv:2110.02444,
    section 3: p the softmax, h the features under the last layer, so that |p - y|_1 |h|_1 is the L1 size of the
    sample's gradient there. It acts from the fraction `start` of the stage's epochs on, at the latest in the last one;
    before, training is plain and shared. `start` is in [0, 1), `alpha` and `epsilon` are positive.
    Half of the epochs and 0.001 are those of the official code (pseulki/IB-Loss: epoch 100 of 200), as is the gradient,
    which flows through the factor too. Its alpha is 1000 at a learning rate that drops to a hundredth when the loss
    starts; the schedule here is the recipe's, so the default is 1000 / 100 = 10.

    Deviation: h are the backbone's pooled features, which is the same for a linear classifier only. Over a batch
    the paper's mean; class weights that join by `+` make it a weighted mean (`common.weighted_mean`) in which lambda
    and the influence are in the numerator only: in the denominator they would cancel.
    """

    name = "influence-balanced"
    summary = "divide each sample's loss by its influence on the decision boundary, late in training"
    version = "2"
    ranges = {"alpha": "(0, inf)", "start": "[0, 1)", "epsilon": "(0, inf)"}

    alpha: float = 10.0
    start: float = 0.5
    epsilon: float = 0.001

    def space(self) -> Space:
        """Alpha within a factor of ten; start around the official half."""
        return {"alpha": Real(1.0, 100.0, log=True), "start": Real(0.3, 0.8)}

    def phases(self, epochs: int, facts: Facts) -> Sequence[Phase]:
        """Return a plain segment, where there is one, and the rest."""
        return deferred(self.start, epochs)

    def loss(self, outputs: Outputs, batch: Batch, step: Step) -> Tensor:
        """Return the scalar loss."""
        y_BC = batch.y_BC
        log_p_BC = outputs.logits_BC.log_softmax(1)
        influence_B = (log_p_BC.exp() - y_BC).abs().sum(1) * outputs.features_BF.to(log_p_BC).abs().sum(1)
        lambda_C = step.constant(self.alpha * normalised_weights(1 / positive_counts(step.facts), step.facts), log_p_BC)
        loss_BC = -log_p_BC * lambda_C / (influence_B + self.epsilon)[:, None]
        return weighted_mean(loss_BC, y_BC, step.weights_C)
