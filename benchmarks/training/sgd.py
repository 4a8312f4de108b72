"""torch's fused SGD, without the copy that it makes of each gradient whose channels come last."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

TO_LAST, TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


class ChannelsLastSGD(torch.optim.SGD):
    """The same updates, to the bit, of the same parameters; states too are those of `torch.optim.SGD`.

    On the CPU, torch's kernel lays every gradient out anew that is not contiguous, and then does not use it: half of
    its time. A parameter [O, I, H, W] whose channels come last is contiguous as [O, H, W, I], and so it is shown.
    """

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        parameters = [p for group in self.param_groups for p in group["params"] if _channels_last_here(p)]
        for parameter in parameters:
            self._turn(parameter, TO_LAST)
        try:
            super().step(closure)
        finally:
            for parameter in parameters:
                self._turn(parameter, TO_FIRST)

    def _turn(self, parameter: nn.Parameter, order: tuple[int, ...]) -> None:
        """Show a parameter, its gradient and its momentum in another order; all stay where they are in memory."""
        assert parameter.grad is not None
        gradient, parameter.grad = parameter.grad, None  # it must have the parameter's shape whenever it is set
        parameter.data = parameter.data.permute(order)
        parameter.grad = gradient.permute(order)
        momentum = self.state[parameter].get("momentum_buffer")
        if momentum is not None:
            self.state[parameter]["momentum_buffer"] = momentum.permute(order)


def _channels_last_here(parameter: nn.Parameter) -> bool:
    """Whether the parameter and its gradient lie on the CPU, channels last."""
    tensors = (parameter, parameter.grad)
    return all(
        tensor is not None
        and tensor.is_cpu
        and tensor.dim() == 4
        and not tensor.is_contiguous()
        and tensor.is_contiguous(memory_format=torch.channels_last)
        for tensor in tensors
    )
