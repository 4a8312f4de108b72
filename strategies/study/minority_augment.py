"""Stronger augmentation for minority classes only (shared/study, "What it asked for next", 3)."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from strategies.base import Facts, Pipeline, Strategy
from strategies.registry import register
from strategies.space import Real, Space


@register
@dataclasses.dataclass(frozen=True)
class MinorityAugment(Strategy):
    """Augment the images of classes below a border count, rarer classes more strongly.

    With b = `border` * mean(n) over the classes that have samples,
    s_c = `strength` * clip(log(n_c / b) / log(`full_at`), 0, 1): 0 from b upwards, so that frequent classes are
    unchanged, `strength` at `full_at` * b and below. Because the ratio is to a fixed border, nearly balanced data are
    nearly unchanged. A `share` of the draws is augmented: version 1 augmented every draw, and classes that were never
    seen without augmentation were not recognised without it (`few` classes of fashion-small: 0.05, plain 0.22).
    `strength` and `share` are in (0, 1], `border` is positive, `full_at` is between 0 and 1; the defaults (the mean
    count, a tenth of it, full strength, half of the draws) are our own choice, because the study names no number.
    `benchmarks/training/batching/augment.py` defines what a strength does to an image; a GPU draws the same transforms
    for whole batches (`augment_on_device.py` there). On stored features a draw is one
    of four augmented views of the row (`benchmarks/training/stored/augmented.py`), the same in every epoch.
    """

    name = "minority-augment"
    summary = "augment minority classes, rarer ones more strongly"
    version = "2"
    seats = frozenset({"augmentation"})
    ranges = {"strength": "(0, 1]", "border": "(0, inf)", "full_at": "(0, 1)", "share": "(0, 1]"}

    strength: float = 1.0
    border: float = 1.0
    full_at: float = 0.1
    share: float = 0.5

    def space(self) -> Space:
        """Weaker, and for fewer or more of the draws."""
        return {"strength": Real(0.3, 1.0), "share": Real(0.25, 0.75)}

    def augmentation(self, facts: Facts) -> Pipeline | None:
        """Return s_C; an empty class has 0; None where no class is below the border."""
        counts_C = facts.counts
        present_C = counts_C > 0
        ratio_C = np.where(present_C, counts_C, 1.0) / (self.border * counts_C[present_C].mean())
        rarity_C = np.clip(np.log(ratio_C) / math.log(self.full_at), 0.0, 1.0)
        strength_C = np.where(present_C, self.strength * rarity_C, 0.0)
        return Pipeline(tuple(strength_C.tolist()), self.share) if strength_C.any() else None
