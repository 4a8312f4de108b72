"""An exponential moving average of the weights."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from strategies.optimisation.averaging import WeightAverage
from strategies.registry import register
from strategies.space import Choice, Space

if TYPE_CHECKING:
    from torch import Tensor


@register
@dataclasses.dataclass(frozen=True)
class ExponentialMovingAverage(WeightAverage):
    """Score a_t = d a_(t-1) + (1 - d) w_t, d = min(decay, 1 - 1 / t), instead of the last weights w.

    The teacher of Tarvainen, Valpola, "Mean teachers are better role models: Weight-averaged consistency targets
    improve semi-supervised deep learning results", NeurIPS 2017, arXiv:1703.01780, section 2, without its consistency
    loss. t counts the steps; the ramp makes the average a plain mean until 1 - 1 / t reaches the decay.

    Default `decay=0.999` from the paper's experiments; it is in [0, 1).
    Deviations: batch-norm statistics are averaged too. The next stage starts from the average.
    """

    name = "ema"
    summary = "score an exponential moving average of the weights"
    ranges = {"decay": "[0, 1)"}

    decay: float = 0.999

    def space(self) -> Space:
        """Averages over about ten to ten thousand steps."""
        return {"decay": Choice((0.9, 0.99, 0.999, 0.9999))}

    def rate(self, steps: Tensor) -> Tensor:
        """Return 1 - d."""
        return (1 / steps).clamp_min(1 - self.decay)
