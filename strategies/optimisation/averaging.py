"""A running average of the network's weights, kept in a copy that is saved with the network's state."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING

from strategies.base import Batch, Facts, Outputs, Step, Strategy, Trained

if TYPE_CHECKING:
    from torch import Tensor, nn

COPY = "averaged"


@dataclasses.dataclass(frozen=True)
class WeightAverage(Strategy):
    """Keep an average of weights and batch-norm statistics, updated after every step, and end the stage with it.

    It holds the seat "retraining": a classifier retrained later in the stage would be trained on other features
    than those that are scored.
    """

    seats = frozenset({"retraining"})

    def rate(self, steps: Tensor) -> Tensor:
        """Return how far the average moves towards the weights after `steps` steps, counted from 1; 1 at the first."""
        raise NotImplementedError

    def attach(self, network: nn.Module, facts: Facts) -> None:
        """Add the copy, and the number of steps that are in it."""
        import torch

        averaged = copy.deepcopy(network).requires_grad_(False)
        averaged.register_buffer("steps", torch.zeros(()))
        network.add_module(COPY, averaged)

    def after_step(self, network: nn.Module, outputs: Outputs, batch: Batch, step: Step) -> None:
        """Update the average: a <- a + rate (w - a)."""
        averaged = network.get_submodule(COPY)
        steps = averaged.get_buffer("steps")
        steps += 1
        rate, state = self.rate(steps), averaged.state_dict()
        for name, value in network.state_dict().items():
            if name in state and not name.startswith(f"{COPY}."):
                mean = state[name]
                mean.copy_(mean.lerp(value, rate.to(mean.dtype)) if mean.is_floating_point() else value)

    def after_training(self, network: nn.Module, facts: Facts, trained: Trained) -> None:
        """Replace the network's weights by their average and drop the copy; what other parts attached stays."""
        averaged = network.get_submodule(COPY)
        delattr(network, COPY)
        mean = averaged.state_dict()
        network.load_state_dict({name: mean.get(name, value) for name, value in network.state_dict().items()})
