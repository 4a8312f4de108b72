"""Oversampling to balance: every class drawn equally often, as in the study (shared/study, "Oversampling")."""

from __future__ import annotations

import dataclasses

import numpy as np

from strategies.base import Facts, Progress, Strategy
from strategies.registry import register


@register
@dataclasses.dataclass(frozen=True)
class Oversample(Strategy):
    """Draw each class with probability p_c = 1 / (number of classes that have samples).

    The same as the study's sampler with replacement and weight 1 / n_c per sample. An epoch has as many draws as
    there are samples, so that no strategy trains longer. An empty class is never drawn.
    """

    name = "oversample"
    summary = "draw every class equally often"

    def sampling_C(self, facts: Facts, progress: Progress) -> np.ndarray:
        """Return p_C, float64, sum 1."""
        present_C = (facts.counts > 0).astype(np.float64)
        return present_C / present_C.sum()
