"""torch's fused SGD, without the copy that it makes of each gradient whose channels come last."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

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
        with contextlib.ExitStack() as stack:
            for group in self.param_groups:
                for parameter in group["params"]:
                    if _channels_last_here(parameter):
                        stack.enter_context(_as_it_lies(parameter, self.state))
            super().step(closure)


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


@contextlib.contextmanager
def _as_it_lies(parameter: nn.Parameter, state: Mapping[Any, dict[str, Any]]) -> Iterator[None]:
    """Show a parameter, its gradient and its momentum as [O, H, W, I]; all stay where they are in memory."""

    def turn(order: tuple[int, ...]) -> None:
        gradient, parameter.grad = parameter.grad, None  # it must have the parameter's shape whenever it is set
        parameter.data = parameter.data.permute(order)
        parameter.grad = gradient.permute(order) if gradient is not None else None
        momentum = state[parameter].get("momentum_buffer")
        if momentum is not None:
            state[parameter]["momentum_buffer"] = momentum.permute(order)

    turn(TO_LAST)
    try:
        yield
    finally:
        turn(TO_FIRST)
