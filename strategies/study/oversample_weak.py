"""Oversampling of the classes with very low validation accuracy (shared/study, "What it asked for next", 2)."""

from __future__ import annotations

import dataclasses

import numpy as np

from strategies.base import Facts, Progress, Strategy
from strategies.registry import register
from strategies.space import Real, Space


@register
@dataclasses.dataclass(frozen=True)
class OversampleWeak(Strategy):
    """Draw the samples of weak classes `factor` times as often as others.

    p_c ~ n_c * factor if the class's top-1 on validation is below `threshold`, else n_c. The accuracy is measured after
    every epoch; before that, and whenever no class is weak, the data are used as they are. A class without validation
    rows counts as weak: only the smallest classes keep all their rows for training, and a network learns those least.
    `threshold` is in (0, 1], `factor` is above 1; both defaults (a half, and three times) are our own choice, because
    the study names no number.
    """

    name = "oversample-weak"
    summary = "draw classes with very low validation accuracy more often"
    needs = frozenset({"validation"})
    ranges = {"threshold": "(0, 1]", "factor": "(1, inf)"}

    threshold: float = 0.5
    factor: float = 3.0

    def space(self) -> Space:
        """Around the defaults."""
        return {"threshold": Real(0.3, 0.8), "factor": Real(1.5, 6.0, log=True)}

    def sampling_C(self, facts: Facts, progress: Progress) -> np.ndarray | None:
        """Return p_C, float64, sum 1; None before the first measurement and if no class is weak."""
        if facts.validation_accuracy_C is None:
            return None
        counts_C = facts.counts
        strong_C = np.asarray(facts.validation_accuracy_C, dtype=np.float64) >= self.threshold  # False for NaN
        drawn_C = counts_C * np.where(strong_C, 1.0, self.factor)
        return drawn_C / drawn_C.sum() if (drawn_C > counts_C).any() else None
