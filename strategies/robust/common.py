"""Base class of robust losses over classes: a batch's loss per class, and state that is saved with the network."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from strategies.base import Batch, Facts, Outputs, Step, Strategy, Trained

if TYPE_CHECKING:
    from torch import Tensor, nn

STATE = "robust"


@dataclasses.dataclass(frozen=True)
class RobustOverClasses(Strategy):
    """L = sum_c q_c w_c l_c / sum_c q_c w_c: l_c the batch's mean loss of class c, w_c the class weight, q_c running.

    l_c = sum_i y_ic l_ic / sum_i y_ic, l_ic the cross entropy of sample i for label c; 0 where the batch has none of
    the class. q is updated in training, in buffers of a network module that is dropped at the stage's end.
    """

    def first_C(self, facts: Facts) -> Tensor:
        """Return the buffer's first values, float32 [C]."""
        raise NotImplementedError

    def updated_C(self, state_C: Tensor, losses_C: Tensor, present_C: Tensor) -> Tensor:
        """Return the buffer after a batch with these losses; `present_C`: the classes that the batch has."""
        raise NotImplementedError

    def q_C(self, state_C: Tensor, step: Step) -> Tensor:
        """Return the share of each class in the loss, sum 1, from the updated buffer."""
        raise NotImplementedError

    def attach(self, network: nn.Module, facts: Facts) -> None:
        """Add the buffer."""
        from torch import nn

        state = nn.Module()
        state.register_buffer("state_C", self.first_C(facts))
        network.add_module(STATE, state)

    def loss(self, outputs: Outputs, batch: Batch, step: Step) -> Tensor:
        """Return the scalar loss, with q as it is after this batch."""
        losses_C, present_C = class_losses(outputs, batch)
        state_C = self._state(step.network).to(losses_C)
        weight_C = step.weights_C * self.q_C(self.updated_C(state_C, losses_C.detach(), present_C), step).to(losses_C)
        return (weight_C * losses_C).sum() / weight_C.sum()

    def after_step(self, network: nn.Module, outputs: Outputs, batch: Batch, step: Step) -> None:
        """Keep the updated buffer."""
        losses_C, present_C = class_losses(outputs, batch)
        state_C = self._state(network)
        state_C.copy_(self.updated_C(state_C.to(losses_C), losses_C, present_C))

    def after_training(self, network: nn.Module, facts: Facts, trained: Trained) -> None:
        """Drop the buffer."""
        delattr(network, STATE)

    def _state(self, network: nn.Module | None) -> Tensor:
        if network is None:
            raise ValueError(f"{self.name} needs the network in Step.network, whose buffers hold its state")
        return network.get_submodule(STATE).get_buffer("state_C")


def class_losses(outputs: Outputs, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the mean cross entropy of each class in the batch, [C], and which classes it has, bool [C]."""
    loss_BC = -outputs.logits_BC.log_softmax(1)
    share_C = batch.y_BC.sum(0)
    present_C = share_C > 0
    return (batch.y_BC * loss_BC).sum(0) / share_C.where(present_C, 1.0), present_C
