"""The clauses about tensors: shapes, finite losses and gradients, odd classes."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from benchmarks.contract import values
from benchmarks.contract.cases import PROGRESS, Case, batches, odd, ordinary
from benchmarks.contract.clause import expect
from benchmarks.contract.step import try_step
from strategies.base import Strategy


def shapes(strategy: Strategy) -> None:
    """Logits and targets stay [B, C], images keep their shape, targets sum to 1, the loss is one number."""
    for case in ordinary():
        for _, batch in batches(case):
            try_step(strategy, case, batch, PROGRESS[-1])


def finite(strategy: Strategy) -> None:
    """The loss, every gradient and the scored logits are finite, for logits of usual size and for large ones."""
    _finite(strategy, ordinary(), scales=(1.0, 300.0), only_mixed=True)


def odd_classes(strategy: Strategy) -> None:
    """The same, and proper weights, strengths and phases, for classes of no sample or one, and a batch of one class."""
    values.weights(strategy, odd())
    values.augmentation(strategy, odd())
    values.phases(strategy, odd())
    _finite(strategy, odd(), scales=(1.0,))
    _finite(strategy, ordinary(), scales=(1.0,))


def _finite(strategy: Strategy, cases: Sequence[Case], scales: Sequence[float], only_mixed: bool = False) -> None:
    for case in cases:
        for name, batch in list(batches(case))[: 1 if only_mixed else None]:
            for scale in scales:
                step = try_step(strategy, case, batch, PROGRESS[-1], scale=scale)
                expect(torch.isfinite(step.loss), f"the loss is {float(step.loss.detach())}, {name}")
                expect(torch.isfinite(step.scored_BC).all(), f"predict gives logits that are not finite, {name}")
                if step.loss.requires_grad:  # a single class may leave nothing to learn
                    step.loss.backward()
                for parameter, tensor in step.network.named_parameters():
                    expect(
                        tensor.grad is None or torch.isfinite(tensor.grad).all(),
                        f"the gradient of {parameter} is not finite, {name}",
                    )
