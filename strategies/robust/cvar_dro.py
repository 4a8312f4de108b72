"""Conditional value at risk over classes: the loss of the classes with the highest running loss."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from strategies.base import Facts, Step
from strategies.registry import register
from strategies.robust.common import RobustOverClasses
from strategies.space import Real, Space

if TYPE_CHECKING:
    from torch import Tensor

UNSEEN = -1.0  # buffer value of a class that no batch has had yet; cross entropy is never negative


@register
@dataclasses.dataclass(frozen=True)
class CvarDro(RobustOverClasses):
    """Minimise max_q sum_c q_c m_c over 0 <= q_c <= n_c / N / alpha, sum q = 1: the share alpha with the highest loss.

    Oren, Sagawa, Hashimoto, Liang, "Distributionally Robust Language Modeling", EMNLP 2019, arXiv:1909.02060, section
    4 (topic CVaR) with classes for topics: q is the maximiser for the running losses m_c <- (1 - rate) m_c + rate l_c
    of the classes that a batch has, l_c its mean loss, and the step's loss is sum_c q_c l_c. A class's m starts at its
    first l.

    Defaults `alpha=0.2` and `rate=0.1` from the official code (kohpangwei/group_DRO: `alpha`, `gamma`); both are in
    (0, 1]. With `alpha=1` each class's loss is weighted by its frequency.
    Deviations: none known in q; class weights that join by `+` multiply q in the loss.
    """

    name = "cvar-dro"
    summary = "train on the share of the data whose classes have the highest running loss"
    ranges = {"alpha": "(0, 1]", "rate": "(0, 1]"}

    alpha: float = 0.2
    rate: float = 0.1

    def space(self) -> Space:
        """The share from a twentieth to nearly all; the rate around the official value."""
        return {"alpha": Real(0.05, 0.9), "rate": Real(0.01, 0.5, log=True)}

    def first_C(self, facts: Facts) -> Tensor:
        """Return the running losses before any batch."""
        import torch

        return torch.full((facts.num_classes,), UNSEEN)

    def updated_C(self, state_C: Tensor, losses_C: Tensor, present_C: Tensor) -> Tensor:
        """Return the running losses after the batch."""
        return losses_C.where(state_C < 0, state_C.lerp(losses_C, self.rate)).where(present_C, state_C)

    def q_C(self, state_C: Tensor, step: Step) -> Tensor:
        """Return the maximiser: the highest running losses get their upper bound, the last one the rest."""
        counts_C = step.constant(step.facts.counts, state_C)
        most_C = counts_C / counts_C.sum() / self.alpha
        order_C = state_C.argsort(descending=True, stable=True)
        before_C = most_C[order_C].cumsum(0) - most_C[order_C]
        filled_C = (1 - before_C).clamp_min(0).minimum(most_C[order_C])
        return most_C.scatter(0, order_C, filled_C)
