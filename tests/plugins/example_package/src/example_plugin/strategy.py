"""Draws by the root of the class count, of any order."""

from __future__ import annotations

import dataclasses

import numpy as np

from strategies.base import Facts, Progress, Strategy, StrategyError
from strategies.registry import register


@register
@dataclasses.dataclass(frozen=True)
class RootSampling(Strategy):
    """p_c ~ n_c^(1 / order), 0 for a class without samples; `order` is at least 1."""

    name = "root-sampling"
    summary = "draw classes by a root of their count"

    order: float = 3.0

    def __post_init__(self) -> None:
        """Refuse an order below 1."""
        if not self.order >= 1:
            raise StrategyError(f"root-sampling: order must be at least 1, got {self.order}.")

    def sampling_C(self, facts: Facts, progress: Progress) -> np.ndarray:
        """Return p_C, float64, sum 1."""
        root_C = facts.counts ** (1 / self.order)
        return root_C / root_C.sum()
