"""Group distributionally robust optimisation with the classes as groups."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from strategies.base import Facts, Step
from strategies.registry import register
from strategies.robust.common import RobustOverClasses
from strategies.space import Real, Space

if TYPE_CHECKING:
    from torch import Tensor


@register
@dataclasses.dataclass(frozen=True)
class GroupDro(RobustOverClasses):
    """Minimise sum_c q_c l_c, where each step multiplies q_c by exp(step_size l_c) and scales q to sum 1.

    Sagawa, Koh, Hashimoto, Liang, "Distributionally Robust Neural Networks for Group Shifts: On the Importance of
    Regularization for Worst-Case Generalization", ICLR 2020, arXiv:1911.08731, section 5, algorithm 1, with the classes
    as groups and l_c the batch's mean loss of a class (0 for one that it does not have, as in the official code). q
    starts uniform.

    Default `step_size=0.01` from the official code (kohpangwei/group_DRO); it is at least 0.
    Deviations: no adjustment by the groups' sizes (C / sqrt(n), 0 by default in the code); class weights that join by
    `+` multiply q in the loss, not its update. Batches are the data's; the code can also draw groups equally
    (`--reweight_groups`, here `group-dro+oversample`).
    """

    name = "group-dro"
    summary = "weigh classes by their running loss, exponentially: the worst class counts most"
    ranges = {"step_size": "[0, inf)"}

    step_size: float = 0.01

    def space(self) -> Space:
        """From a tenth of the official value to a hundred times it."""
        return {"step_size": Real(0.001, 1.0, log=True)}

    def first_C(self, facts: Facts) -> Tensor:
        """Return log q of the uniform distribution over the classes that have samples; others never have a loss."""
        import torch

        counts_C = torch.tensor(facts.counts_C)
        return (counts_C > 0).float().log().log_softmax(0)

    def updated_C(self, state_C: Tensor, losses_C: Tensor, present_C: Tensor) -> Tensor:
        """Return log q after the batch."""
        return (state_C + self.step_size * losses_C).log_softmax(0)

    def q_C(self, state_C: Tensor, step: Step) -> Tensor:
        """Return q."""
        return state_C.exp()
