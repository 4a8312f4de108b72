"""What several strategies share: safe counts, the reduction over a batch, checks of parameters.

B batch, C classes. Nothing here imports torch: tensors bring their own methods.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from strategies.base import Facts, Strategy, StrategyError

if TYPE_CHECKING:
    from torch import Tensor


def positive_counts(facts: Facts) -> np.ndarray:
    """Return max(n_c, 1), float64 [C].

    Formulas that take the logarithm or the inverse of a count treat a class without samples as if it had one: its logit
    stays finite, and classes that have samples are unaffected.
    """
    return np.maximum(facts.counts, 1.0)


def log_prior_C(facts: Facts) -> np.ndarray:
    """Return log(n_c / N), float64 [C], with n_c as in `positive_counts` and N their sum."""
    counts_C = positive_counts(facts)
    return np.log(counts_C / counts_C.sum())


def normalised_weights(weights_C: np.ndarray, facts: Facts) -> np.ndarray:
    """Return the weights [C] scaled to sum C, the rule of Cui et al. and later papers.

    The scale is taken over the classes that have samples, which share the number of those classes. A class without
    samples is never a target and gets weight 1.
    """
    present_C = facts.counts > 0
    scale = present_C.sum() / weights_C[present_C].sum()
    return np.where(present_C, weights_C * scale, 1.0)


def weighted_mean(loss_B: Tensor, y_BC: Tensor, weights_C: Tensor) -> Tensor:
    """Return sum_i w_i l_i / sum_i w_i with w_i = sum_c y_ic w_c, a scalar.

    The weighted mean, not the mean of weighted losses: a common factor of the weights cancels, so that weights change
    which samples count and never the learning rate. It is what PyTorch's own reduction and the study do.
    """
    weight_B = y_BC @ weights_C
    return (weight_B * loss_B).sum() / weight_B.sum()


def require_at_least_zero(strategy: Strategy, *fields: str) -> None:
    """Raise `StrategyError` if a parameter is negative or not finite."""
    for field in fields:
        value = getattr(strategy, field)
        if not (math.isfinite(value) and value >= 0):
            shown = field.replace("_", "-")
            raise StrategyError(f"{strategy.name}: {shown} must be at least 0 and finite, got {value}.")
