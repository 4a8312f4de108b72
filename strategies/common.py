"""What several strategies share: safe counts and the reduction over a batch.

B batch, C classes. Nothing here imports torch: tensors bring their own methods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from strategies.base import Facts

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

    The weights of the classes with samples are scaled to sum to the number of those classes. A class without samples
    is never a target and gets weight 1.
    """
    present_C = facts.counts > 0
    scale = present_C.sum() / weights_C[present_C].sum()
    return np.where(present_C, weights_C * scale, 1.0)


def queued(tensor: Tensor, like: Tensor) -> Tensor:
    """Return a CPU tensor on the device of `like`; copies to a GPU are asynchronous."""
    return tensor.pin_memory().to(like.device, non_blocking=True) if like.is_cuda else tensor.to(like.device)


def weighted_mean(loss_BC: Tensor, y_BC: Tensor, weights_C: Tensor) -> Tensor:
    """Return sum_i sum_c y_ic w_c l_ic / sum_i sum_c y_ic w_c, a scalar; l_ic is the loss of sample i for label c.

    A mixed target's weight belongs to each of its labels. A weight per sample, (sum_c y_ic w_c) (sum_c y_ic l_ic),
    would give the frequent label of a pair the weight of the rare one. For hard labels it is PyTorch's weighted mean,
    and the study's: a common factor of the weights cancels, so that weights do not change the step size.
    Raises ValueError if the loss does not have a column per label.
    """
    if loss_BC.shape != y_BC.shape:
        raise ValueError(
            f"weighted_mean needs the loss of each sample for each label, shape {tuple(y_BC.shape)}, got "
            f"{tuple(loss_BC.shape)}; do not sum over labels before it."
        )
    weight_BC = y_BC * weights_C
    return (weight_BC * loss_BC).sum() / weight_BC.sum()
