"""Stochastic weight averaging: the mean of the weights over the last part of the stage."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from strategies.base import Facts, Phase
from strategies.optimisation.averaging import WeightAverage
from strategies.registry import register
from strategies.schedules.common import deferred
from strategies.space import Real, Space

if TYPE_CHECKING:
    from torch import Tensor


@register
@dataclasses.dataclass(frozen=True)
class StochasticWeightAveraging(WeightAverage):
    """Train plainly up to `start` of the stage's epochs, then score the mean of the weights after each later step.

    Izmailov, Podoprikhin, Garipov, Vetrov, Wilson, "Averaging Weights Leads to Wider Optima and Better Generalization",
    UAI 2018, arXiv:1803.05407, algorithm 1.

    Default `start=0.75` from the paper's experiments (75 % of the budget); it is in [0, 1) and is rounded to the
    nearest epoch, at least the last is averaged.
    Deviations: the learning rate follows the recipe's schedule instead of a constant or cyclical one; weights are
    averaged after every step instead of every epoch; batch-norm statistics are averaged instead of computed again.
    """

    name = "swa"
    summary = "score the mean of the weights over the last part of the training"
    ranges = {"start": "[0, 1)"}

    start: float = 0.75

    def space(self) -> Space:
        """From half of the budget to its last tenth."""
        return {"start": Real(0.5, 0.9)}

    def phases(self, epochs: int, facts: Facts) -> Sequence[Phase]:
        """Plain up to the start, averaged from there."""
        return deferred(self.start, epochs)

    def rate(self, steps: Tensor) -> Tensor:
        """Return 1 / t."""
        return 1 / steps
