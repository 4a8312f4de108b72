"""The learning rate as a function of the global step of a stage, so that a resumed run needs no scheduler state."""

from __future__ import annotations

import math

from benchmarks.suites.suite import Recipe


def learning_rate(recipe: Recipe, peak: float, step: int, steps: int) -> float:
    """Return the learning rate of `step` (from 0) out of `steps`.

    one-cycle: linear from peak/10 to the peak over `warmup` of the steps, then a half cosine to 0; cosine: the same
    without the warmup; constant: the peak; step: linear up to the peak over `warmup` of the steps, then the peak times
    `step_factor` for each of `steps_at` that has passed.
    """
    if recipe.schedule == "constant":
        return peak
    if recipe.schedule == "step":
        passed = sum(step >= round(at * steps) for at in recipe.steps_at)
        rising = min(1.0, (step + 1) / (recipe.warmup * steps)) if recipe.warmup else 1.0
        return peak * rising * recipe.step_factor**passed
    rise = recipe.warmup * steps if recipe.schedule == "one-cycle" else 0.0
    if step < rise:
        return peak * (0.1 + 0.9 * step / rise)
    return peak * 0.5 * (1 + math.cos(math.pi * (step - rise) / (steps - rise)))
