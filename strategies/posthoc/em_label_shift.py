"""Adapt the class prior to the rows that are scored, by expectation-maximisation, after training."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from strategies.base import Facts, Outputs, Strategy
from strategies.common import log_prior_C
from strategies.registry import register

if TYPE_CHECKING:
    from torch import Tensor

LEAST = 1e-300  # of an estimated prior: its logarithm stays finite
CONVERGED = 1e-9


@register
@dataclasses.dataclass(frozen=True)
class EmLabelShift(Strategy):
    """Score z_c + log(q_c / pi_c), q the class prior of the scored rows, estimated from their outputs.

    Saerens, Latinne, Decaestecker, "Adjusting the Outputs of a Classifier to New a Priori Probabilities: A Simple
    Procedure", Neural Computation 14, 2002, section 2.2: from q = pi, the prior of training, repeat
    p_ic ~ softmax(z_i)_c q_c / pi_c, q_c = mean_i p_ic, until q changes by less than 1e-9 or after `steps` rounds.

    It is transductive: every row's score depends on all rows that are scored together, so it is ranked apart from
    strategies that see one image at a time. Labels of these rows are not used. Validation rows are adapted to their own
    distribution.

    Default `steps=1000`, ours: the paper iterates to convergence. `steps` is at least 1.
    Deviations: the logits are not calibrated first; q is at least 1e-300; a class without samples counts as one sample.
    """

    name = "em-label-shift"
    summary = "estimate the class prior of the scored rows from their outputs, and adapt the logits to it"
    seats = frozenset({"prior"})
    transductive = True
    ranges = {"steps": "[1, inf)"}

    steps: int = 1000

    def predict(self, outputs: Outputs, facts: Facts) -> Tensor:
        """Return z + log(q / pi), [N, C]."""
        logits_NC = outputs.logits_BC.double()
        if not len(logits_NC):
            return outputs.logits_BC
        log_pi_C = logits_NC.new_tensor(log_prior_C(facts))
        log_q_C = log_pi_C
        for _ in range(self.steps):
            p_NC = (logits_NC + log_q_C - log_pi_C).softmax(1)
            before_C, log_q_C = log_q_C, p_NC.mean(0).clamp_min(LEAST).log()
            if (log_q_C.exp() - before_C.exp()).abs().max() < CONVERGED:
                break
        return (logits_NC + log_q_C - log_pi_C).to(outputs.logits_BC.dtype)
