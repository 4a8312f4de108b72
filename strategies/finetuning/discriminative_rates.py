"""A lower learning rate for the encoder than for the classifier."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

from strategies.base import Strategy
from strategies.registry import register
from strategies.space import Real, Space


@register
@dataclasses.dataclass(frozen=True)
class DiscriminativeRates(Strategy):
    """Train the encoder at `factor` times the learning rate of the classifier: theta_l <- theta_l - eta_l grad_l.

    Howard, Ruder, "Universal Language Model Fine-tuning for Text Classification", ACL 2018, arXiv:1801.06146, section
    3.2. `factor=0.1` is common practice for image networks and not the paper's, which divides the rate by 2.6 from each
    layer to the one below. It is meant for pretrained weights, which the few samples of rare classes then disturb less.

    Deviations: two rates instead of one per layer; no gradual unfreezing.
    """

    name: ClassVar[str] = "discriminative-rates"
    summary: ClassVar[str] = "train the encoder at a tenth of the classifier's learning rate"
    needs: ClassVar[frozenset[str]] = frozenset({"pixels"})
    ranges = {"factor": "(0, 1]"}

    factor: float = 0.1

    def rates(self) -> Mapping[str, float]:
        """Return the factor for all parameters of the encoder."""
        return {"encoder.*": self.factor}

    def space(self) -> Space:
        """Return the range of the factor."""
        return {"factor": Real(0.01, 1.0, log=True)}
