"""The optimiser of a stage: the recipe's, plus AdamW for parameters that read names."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from benchmarks.suites.suite import Recipe
from strategies.base import Text


class Joined(torch.optim.Optimizer):
    """Several optimisers as one, each with its own parameters; states and groups are numbered consecutively."""

    def __init__(self, parts: Sequence[torch.optim.Optimizer]) -> None:
        """Join `parts`, whose groups become this one's."""
        self.parts = tuple(parts)
        super().__init__([p for part in parts for group in part.param_groups for p in group["params"]], {})
        self._link()

    def _link(self) -> None:
        """Share the parts' groups, so that a learning rate set here applies to the part."""
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Step every part."""
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """Return the parts' states and groups, parameters numbered over all of them."""
        state: dict[int, Any] = {}
        groups: list[dict[str, Any]] = []
        for part, first in zip(self.parts, self._firsts(), strict=True):
            own = part.state_dict()
            state |= {first + index: values for index, values in own["state"].items()}
            groups += [{**g, "params": [first + index for index in g["params"]]} for g in own["param_groups"]]
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        groups = list(state_dict["param_groups"])
        for part, first in zip(self.parts, self._firsts(), strict=True):
            own, groups = groups[: len(part.param_groups)], groups[len(part.param_groups) :]
            indices = {index for group in own for index in group["params"]}
            part.load_state_dict(
                {
                    "state": {i - first: values for i, values in state_dict["state"].items() if i in indices},
                    "param_groups": [{**g, "params": [index - first for index in g["params"]]} for g in own],
                }
            )
        self._link()

    def _firsts(self) -> list[int]:
        """Return the number of each part's first parameter."""
        sizes = [sum(len(group["params"]) for group in part.param_groups) for part in self.parts]
        return [sum(sizes[:position]) for position in range(len(sizes))]


def make_optimizer(
    recipe: Recipe,
    network: nn.Module,
    weight_decay: float | None = None,
    text: Text | None = None,
    reading: Sequence[nn.Parameter] = (),
    rates: Mapping[str, float] | None = None,
) -> torch.optim.Optimizer:
    """Return the recipe's optimiser over the trainable parameters; biases and norms are not decayed.

    `weight_decay` overrides the recipe's. `reading`: parameters that read names, trained with AdamW as `text` says.
    Each of their groups has its own peak learning rate, `peak`; the loop applies the recipe's schedule to it. `rates`:
    learning-rate factors by parameter-name pattern (`Strategy.rates`), stored as a group's `factor`.
    """
    decay = recipe.weight_decay if weight_decay is None else weight_decay
    own = {id(p) for p in reading}
    groups = _by_rate([(name, p) for name, p in network.named_parameters() if id(p) not in own], decay, rates or {})
    named = _groups([p for p in network.parameters() if id(p) in own], text.weight_decay) if text else []
    parts: list[torch.optim.Optimizer] = []
    if groups or not named:  # torch accepts an empty group, but not an empty list of groups
        parts.append(_recipes(recipe, groups or [{"params": []}]))
    if named and text:
        named = [{**group, "peak": text.learning_rate} for group in named]
        parts.append(torch.optim.AdamW(named, lr=text.learning_rate, fused=True))
    return parts[0] if len(parts) == 1 else Joined(parts)


def _by_rate(
    named: Sequence[tuple[str, nn.Parameter]], decay: float, rates: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Return the groups of parameters at the schedule's rate, then those at each factor of it."""
    parameters: dict[float, list[nn.Parameter]] = {1.0: []}
    for name, parameter in named:
        factor = next((factor for pattern, factor in rates.items() if fnmatch.fnmatchcase(name, pattern)), 1.0)
        parameters.setdefault(factor, []).append(parameter)
    plain = _groups(parameters.pop(1.0), decay)
    return plain + [{**group, "factor": factor} for factor, own in parameters.items() for group in _groups(own, decay)]


def _groups(parameters: Sequence[nn.Parameter], decay: float) -> list[dict[str, Any]]:
    trained = [p for p in parameters if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _recipes(recipe: Recipe, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)
    return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum, fused=True)
