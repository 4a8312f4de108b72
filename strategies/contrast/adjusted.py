"""Base class of strategies that add a contrastive loss on two more views to logit adjustment."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from strategies.base import Batch, Outputs, Step, Strategy
from strategies.losses.logit_adjust import LogitAdjust
from strategies.space import Real, Space

if TYPE_CHECKING:
    from torch import Tensor


@dataclasses.dataclass(frozen=True)
class AdjustedContrast(Strategy):
    """Logit adjustment on one view, plus `weight` times a contrastive loss on two others at a `temperature`."""

    seats = frozenset({"prior"})
    needs = frozenset({"pixels"})
    ranges = {"weight": "[0, inf)", "temperature": "(0, inf)"}

    weight: float = 1.0
    temperature: float = 0.1

    def space(self) -> Space:
        """Weights around the official ones; usual temperatures of contrastive losses."""
        return {"weight": Real(0.1, 2.0, log=True), "temperature": Real(0.05, 0.5, log=True)}

    def views(self) -> int:
        """Return 3: one for the classifier, two for the contrastive loss."""
        return 3

    def train_logits(self, outputs: Outputs, batch: Batch, step: Step) -> Tensor:
        """Return z + log pi, [B, C]."""
        return LogitAdjust().train_logits(outputs, batch, step)
