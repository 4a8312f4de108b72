"""Oversampling of only the classes with very few samples (shared/study, "What it asked for next", 2)."""

from __future__ import annotations

import dataclasses

import numpy as np

from strategies.base import Facts, Progress, Strategy
from strategies.registry import register
from strategies.space import Real, Space


@register
@dataclasses.dataclass(frozen=True)
class OversampleRare(Strategy):
    """Raise every class to at least `fraction` of the mean count; the others keep their original frequency.

    n'_c = max(n_c, fraction * mean(n)) over the classes that have samples, p_c = n'_c / sum(n'). An empty class is
    never drawn. `fraction` is positive; as sum(n') is at most (1 + fraction) * sum(n), a class that is not rare keeps
    at least 1 / (1 + fraction) of its original frequency: two thirds at the default of 0.5, which is our own choice,
    because the study names no number. If no class is rare, the data are used as they are.
    """

    name = "oversample-rare"
    summary = "draw classes with very few samples more often"
    ranges = {"fraction": "(0, inf)"}

    fraction: float = 0.5

    def space(self) -> Space:
        """A quarter of the mean count to twice it."""
        return {"fraction": Real(0.25, 2.0, log=True)}

    def sampling_C(self, facts: Facts, progress: Progress) -> np.ndarray | None:
        """Return p_C, float64, sum 1; None if no class is rare."""
        counts_C = facts.counts
        present_C = counts_C > 0
        level = self.fraction * counts_C[present_C].mean()
        lifted_C = np.where(present_C, np.maximum(counts_C, level), 0.0)
        return lifted_C / lifted_C.sum() if (lifted_C > counts_C).any() else None
