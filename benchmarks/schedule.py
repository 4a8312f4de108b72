"""The learning rate as a function of the global step of a stage, so that a resumed run needs no scheduler state."""

from __future__ import annotations

import math

import torch

from benchmarks.suite import Recipe


def learning_rate(recipe: Recipe, peak: float, step: int, steps: int) -> float:
    """Return the learning rate of `step` (from 0) out of `steps`.

    one-cycle: linear from peak/10 to the peak over `warmup` of the steps, then a half cosine to 0; cosine: the same
    without the rise; constant: the peak; step: linear up to the peak over `warmup` of the steps, then the peak times
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


def make_optimizer(
    recipe: Recipe, network: torch.nn.Module, weight_decay: float | None = None
) -> torch.optim.Optimizer:
    """Return the recipe's optimiser over the trainable parameters; biases and norms are not decayed.

    `weight_decay` stands in for the recipe's where it is given.
    """
    decay = recipe.weight_decay if weight_decay is None else weight_decay
    trained = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]] or groups  # torch takes an empty group, but not none
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)
    return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum, fused=True)
