"""Three experts for three class distributions: long-tailed, uniform and reversed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from strategies.base import Batch, Facts, Outputs, Step, Strategy
from strategies.common import log_prior_C, weighted_mean
from strategies.registry import register
from strategies.space import Real, Space

if TYPE_CHECKING:
    from torch import Tensor, nn

EXPERTS = 3
SCALE = 30.0


@register
@dataclasses.dataclass(frozen=True)
class Sade(Strategy):
    """L = CE(z_1, y) + CE(z_2 + log pi, y) + CE(z_3 + log pi - tau log pi', y), pi' the reversed prior.

    Zhang, Hooi, Hong, Feng, "Self-Supervised Aggregation of Diverse Experts for Test-Agnostic Long-Tailed
    Recognition", NeurIPS 2022, arXiv:2107.09249, section 4.1: three experts that share all stages but the last, each
    with a cosine classifier, for the long-tailed, the uniform and the inversely long-tailed distribution. pi' gives the
    i-th most frequent class the share of the i-th rarest. The mean of the experts' logits is scored.

    Default `tau=2` from the official configuration for CIFAR100-LT, as is the fixed scale 30; tau is at least 0.
    Deviations: the experts have equal weights. The paper learns them on unlabelled test images; here, test images
    choose nothing. Experts as in `ride`, not thinned. A class without samples counts as one sample; the code adds 1e-9.
    """

    name = "sade"
    summary = "three experts, for the long-tailed, uniform and reversed class distribution, averaged"
    version = "4"
    seats = frozenset({"prior"})
    ranges = {"tau": "[0, inf)"}

    tau: float = 2.0

    def space(self) -> Space:
        """Tau around the official 2; 0 would repeat the second expert."""
        return {"tau": Real(0.5, 3.0)}

    def shifts_EC(self, facts: Facts) -> np.ndarray:
        """Return what is added to each expert's logits in training, float64 [3, C]."""
        log_pi_C = log_prior_C(facts)
        order = np.argsort(log_pi_C, kind="stable")
        reversed_C = np.empty_like(log_pi_C)
        reversed_C[order] = log_pi_C[order[::-1]]
        return np.stack([np.zeros_like(log_pi_C), log_pi_C, log_pi_C - self.tau * reversed_C])

    def architecture(self, network: nn.Module, facts: Facts) -> None:
        """Give each expert its own last stage."""
        from backbones.strategy_layers.experts import split

        split(network, EXPERTS)  # type: ignore[arg-type]

    def classifier(self, classifier: nn.Module, in_features: int, facts: Facts) -> nn.Module:
        """Return a cosine classifier of fixed scale for each expert."""
        from backbones.strategy_layers.experts import cosine_experts

        return cosine_experts(EXPERTS, in_features, facts.num_classes, SCALE)

    def loss(self, outputs: Outputs, batch: Batch, step: Step) -> Tensor:
        """Return the scalar loss."""
        logits_BEC = outputs.extra["logits_BEC"]
        log_p_BEC = (logits_BEC + step.constant(self.shifts_EC(step.facts), logits_BEC)).log_softmax(2)
        return weighted_mean(-log_p_BEC.sum(1), batch.y_BC, step.weights_C)
