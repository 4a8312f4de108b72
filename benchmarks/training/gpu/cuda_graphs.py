"""The network's training pass on a GPU as CUDA graphs: its hundreds of kernels are launched by one call.

Images of a few pixels keep a GPU busy for less time than Python takes to launch their kernels. Only the network is
captured, forward and backward, one graph for each shape of batch; strategies' hooks, losses and the optimiser stay
plain Python. What is not a repeated shape runs as it would without: evaluation, micro-batches, networks that read
names, networks with hooks on a layer, and all that cannot be captured. B batch, H W pixels.
"""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from backbones.network import Network
from backbones.probe import Choice
from benchmarks.suites.suite import Recipe
from strategies.base import Strategy
from strategies.combining.seats import calls

# A capture costs about five steps. An epoch has batches of two sizes at most, and a recipe may let images grow.
SEEN_BEFORE_CAPTURE, MOST_GRAPHS = 3, 4
Given = tuple[Tensor | Mapping[str, Tensor], Tensor]


def graphs_for(
    network: Network, strategy: Strategy, recipe: Recipe, choice: Choice, device: torch.device
) -> Graphs | None:
    """Return the graphs of a training, still none; None where the training runs without.

    A strategy that ascends passes the same batch twice and reads the first pass's outputs after the second, which has
    written to the same memory.
    """
    if device.type != "cuda" or not recipe.cuda_graphs or calls(strategy, "ascend"):
        return None
    return Graphs(network, choice, device)


class Graphs:
    """Calls a network on images, by a graph where one fits; in place of the network for `forward.forward`.

    The outputs of a call are overwritten by the next one.
    """

    def __init__(self, network: Network, choice: Choice, device: torch.device) -> None:
        """Capture nothing yet: a training of a few steps never does."""
        self._network, self._choice, self._device = network, choice, device
        self._seen: collections.Counter[Hashable] = collections.Counter()
        self._captured: dict[Hashable, Callable[[Tensor], Given]] = {}
        self._memory: tuple[object, ...] = ()
        self._pool: Any = None
        self._off = False
        self.why_not = ""  # the error that ended capturing

    @property
    def count(self) -> int:
        """How many shapes of batch are captured."""
        return len(self._captured)

    def __call__(self, images_BCHW: Tensor) -> Given:
        """Return what the network returns, with the same gradients."""
        if self._off or images_BCHW.requires_grad or not torch.is_grad_enabled():
            return self._network(images_BCHW)
        memory = _memory(self._network)
        if memory != self._memory:  # a hook has put other tensors in the place of those that graphs read
            self._captured.clear()
            self._memory = memory
        shape = images_BCHW.shape, images_BCHW.stride(), images_BCHW.dtype
        self._seen[shape] += 1
        if shape not in self._captured and self._seen[shape] > SEEN_BEFORE_CAPTURE:
            self._capture(images_BCHW, shape)
        return self._captured.get(shape, self._network)(images_BCHW)

    def _capture(self, images_BCHW: Tensor, shape: Hashable) -> None:
        """Capture the network for this shape of batch; leave statistics and random numbers as they were."""
        if _has_hooks(self._network):  # a graph would not call them again
            self._off = True
            return
        while len(self._captured) >= MOST_GRAPHS:
            self._captured.pop(next(iter(self._captured)))
        buffers = [buffer.clone() for buffer in self._network.buffers()]
        lowered = self._choice.dtype == "bfloat16"
        try:
            devices = [torch.cuda.current_device()] if self._device.type == "cuda" else []
            self._pool = self._pool or torch.cuda.graph_pool_handle()
            with (
                torch.random.fork_rng(devices=devices),
                # a cast that autocast keeps for later would be captured once and not made again
                torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=lowered, cache_enabled=False),
            ):
                # shapes take turns and never overlap, so their graphs can share memory
                whole, given = _Whole(self._network), (images_BCHW.clone(),)
                torch.cuda.make_graphed_callables(whole, given, allow_unused_input=True, pool=self._pool)
                self._captured[shape] = whole
        except Exception as error:  # an operation that waits, memory that ran out: plugins' networks in any way
            self.why_not = f"{type(error).__name__}: {error}"
            self._off = True
            self._captured.clear()
            torch.cuda.empty_cache()
        with torch.no_grad():
            for buffer, before in zip(self._network.buffers(), buffers, strict=True):
                buffer.copy_(before)


class _Whole(nn.Module):
    """The network in a module of its own, whose `forward` torch replaces by the graph."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, images_BCHW: Tensor) -> Given:
        return self.network(images_BCHW)


def _memory(network: nn.Module) -> tuple[object, ...]:
    """Return where the network's tensors are and which of them are trained."""
    return tuple((t.data_ptr(), t.requires_grad) for t in itertools.chain(network.parameters(), network.buffers()))


def _has_hooks(network: nn.Module) -> bool:
    """Whether a function is called with some layer's inputs, outputs or gradients."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return any(getattr(module, kind) for module in network.modules() for kind in kinds)
