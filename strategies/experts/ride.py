"""Several experts that each learn the task and are encouraged to disagree."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from strategies.base import Batch, Facts, Outputs, Progress, Step, Strategy
from strategies.common import positive_counts, weighted_mean
from strategies.losses.ldam import Ldam
from strategies.registry import register
from strategies.schedules.common import start_epoch
from strategies.space import Real, Space

if TYPE_CHECKING:
    from torch import Tensor, nn


@register
@dataclasses.dataclass(frozen=True)
class Ride(Strategy):
    """L = sum_e [LDAM(z_e, y) - diversity t^2 KL(p || p_e)], p_e = softmax(z_e / T), p = softmax(mean_e z_e / T).

    Wang, Lian, Miao, Liu, Yu, "Long-tailed Recognition by Routing Diverse Distribution-Aware Experts", ICLR 2021,
    arXiv:2010.01809, section 3: experts share all stages but the last, of which each has its own; each has a cosine
    classifier with the margins of `ldam`. T_c = w_c / max w, w_c = balance C n_c / N + 1 - balance from `start` of the
    stage's epochs on, 1 before; t is its mean, and p takes no gradient. The mean of the experts' logits is scored.

    Defaults from the official code: 3 experts, `max_margin=0.5`, `scale=30`, `diversity=0.2`, `balance=0.05` (those of
    `RIDELoss`) and `start=0.8` (epoch 160 of 200). Its configuration for CIFAR100-LT has had the diversity factors 0.2
    and 0.45 (`config_imbalance_cifar100_ride.json`); the suite `cifar100-lt` takes 0.45. Its deferred class weights are
    `ride+drw`. `experts` is at least 2, `balance` is in [0, 1), `start` in [0, 1).
    Deviations: no routing (the paper's second stage, which only saves time), no distillation; only the last
    stage is each expert's own, at full width, where the code thins the last two by a quarter; in encoders whose last
    stage cannot be identified (see `backbones/strategy_layers/experts.py`) an expert is one layer on the pooled
    features, and on stored features experts are classifiers alone. The KL to the mean is the code's; the text of the
    paper takes all pairs. Mixed targets and empty classes follow `ldam`.
    """

    name = "ride"
    summary = "several experts with margins that are encouraged to disagree, averaged"
    version = "4"
    seats = frozenset({"prior"})
    joined_in_paper = frozenset({"class_weights_C"})  # `reweight` in the official code
    ranges = {
        "experts": "[2, inf)", "max_margin": "(0, inf)", "scale": "(0, inf)", "diversity": "(0, inf)",
        "balance": "[0, 1)", "start": "[0, 1)",
    }  # fmt: skip

    experts: int = 3
    max_margin: float = 0.5
    scale: float = 30.0
    diversity: float = 0.2
    balance: float = 0.05
    start: float = 0.8

    def space(self) -> Space:
        """Margins around the official code's; diversity around its two factors, 0.2 and 0.45."""
        return {"max_margin": Real(0.2, 0.8), "scale": Real(10.0, 60.0, log=True), "diversity": Real(0.1, 0.6)}

    def temperature_C(self, facts: Facts, progress: Progress) -> np.ndarray:
        """Return T_c, float64 [C], in (0, 1]."""
        if progress.epoch < start_epoch(self.start, progress.epochs):
            return np.ones(facts.num_classes)
        counts_C = positive_counts(facts)
        weight_C = self.balance * facts.num_classes * counts_C / counts_C.sum() + 1 - self.balance
        return weight_C / weight_C.max()

    def architecture(self, network: nn.Module, facts: Facts) -> None:
        """Give each expert its own last stage."""
        from backbones.strategy_layers.experts import split

        split(network, self.experts)  # type: ignore[arg-type]

    def classifier(self, classifier: nn.Module, in_features: int, facts: Facts) -> nn.Module:
        """Return a cosine classifier of fixed scale for each expert."""
        from backbones.strategy_layers.experts import cosine_experts

        return cosine_experts(self.experts, in_features, facts.num_classes, self.scale)

    def loss(self, outputs: Outputs, batch: Batch, step: Step) -> Tensor:
        """Return the scalar loss."""
        margins_C = Ldam(self.max_margin, self.scale).margins_C(step.facts)
        temperature_C = self.temperature_C(step.facts, step.progress)
        strength = self.diversity * temperature_C.mean() ** 2
        logits_BC = outputs.logits_BC
        margin_BC = batch.y_BC * step.constant(self.scale * margins_C, logits_BC)
        cool_C = step.constant(temperature_C, logits_BC)
        log_mean_BC = (logits_BC.detach() / cool_C).log_softmax(1)
        loss = logits_BC.new_zeros(())
        for expert_BC in outputs.extra["logits_BEC"].unbind(1):
            loss_BC = -(expert_BC - margin_BC).log_softmax(1)
            log_p_BC = (expert_BC / cool_C).log_softmax(1)
            divergence_B = (log_mean_BC.exp() * (log_mean_BC - log_p_BC)).sum(1)
            loss = loss + weighted_mean(loss_BC, batch.y_BC, step.weights_C) - strength * divergence_B.mean()
        return loss
