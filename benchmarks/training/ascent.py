"""Gradients at perturbed weights, for sharpness-aware optimisation. B batch, C classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor, nn

from strategies.base import Batch, Facts, Outputs, Step, Strategy


def take_gradients(network: nn.Module, strategy: Strategy, facts: Facts, again: Callable[[bool], None]) -> None:
    """Replace a step's computed gradients by those that `ascend` and `ascent_C` ask for; the weights end unchanged.

    `again(part)` recomputes the gradients at the current weights: if `part`, only those of the rows of `ascent_C`.
    """
    part = strategy.ascent_C(facts) is not None
    rest: dict[str, Tensor] = {}
    if part:
        whole = _gradients(network)
        again(True)
        own = _gradients(network)
        rest = {name: gradient - own[name] if name in own else gradient for name, gradient in whole.items()}
    move_back = strategy.ascend(network)
    if move_back is not None:
        again(part)
        move_back()
    for name, gradient in rest.items():
        parameter = network.get_parameter(name)
        parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient


def only_rows(outputs: Outputs, batch: Batch, step: Step, strategy: Strategy) -> Outputs:
    """Return the same outputs, with gradients only through the rows of the classes in `ascent_C`.

    A mixed sample counts as the class with the largest share.
    """
    classes_C = strategy.ascent_C(step.facts)
    if classes_C is None:
        return outputs
    chosen_B = step.constant(classes_C, outputs.logits_BC)[batch.y_BC.argmax(1)] > 0
    return _gated(outputs, chosen_B)


def _gated(outputs: Outputs, chosen_B: Tensor) -> Outputs:
    def gated(tensor: Tensor) -> Tensor:
        mask = chosen_B.view(-1, *[1] * (tensor.ndim - 1))
        return torch.where(mask, tensor, tensor.detach()) if tensor.requires_grad else tensor

    return dataclasses.replace(
        outputs,
        logits_BC=gated(outputs.logits_BC),
        features_BF=gated(outputs.features_BF),
        extra={name: gated(tensor) for name, tensor in outputs.extra.items()},
        views=tuple(_gated(view, chosen_B) for view in outputs.views),
    )


def _gradients(network: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
