"""The network's training pass on a GPU as CUDA graphs: its hundreds of kernels are launched by one call.

Images of a few pixels keep a GPU busy for less time than Python takes to launch their kernels. Only the network is
captured, forward and backward, one graph for each shape of batch; strategies' hooks, losses and the optimiser stay
plain Python. Everything else runs without graphs: shapes that do not repeat, evaluation, micro-batches, networks
that read names, networks with hooks on a layer, and whatever cannot be captured. B batch, H W pixels.
"""

from __future__ import annotations

import collections
import contextlib
import gc
import itertools
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from backbones.network import Network
from backbones.probe import Choice
from benchmarks.suites.suite import Recipe
from benchmarks.support.errors import one_line
from strategies.base import Strategy
from strategies.combining.seats import calls

# A capture costs about five steps. An epoch has batches of two sizes at most, and a recipe may let images grow.
SEEN_BEFORE_CAPTURE, MOST_GRAPHS = 3, 4
Given = tuple[Tensor | Mapping[str, Tensor], Tensor]


def graphs_for(
    network: Network, strategy: Strategy, recipe: Recipe, choice: Choice, device: torch.device
) -> Graphs | None:
    """Return an empty `Graphs` for a training; None if it runs without graphs.

    Strategies with `ascend` run without: they pass the same batch twice and read the first pass's outputs after the
    second pass, which would overwrite them.
    """
    if device.type != "cuda" or not recipe.cuda_graphs or calls(strategy, "ascend"):
        return None
    return Graphs(network, choice, device)


class Graphs:
    """Runs a network on images, by a graph if one fits; `forward.forward` calls it instead of the network.

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
        """The number of batch shapes captured."""
        return len(self._captured)

    def __call__(self, images_BCHW: Tensor) -> Given:
        """Return what the network returns, with the same gradients."""
        if self._off or images_BCHW.requires_grad or not torch.is_grad_enabled():
            return self._network(images_BCHW)
        memory = _memory(self._network)
        if memory != self._memory:  # a hook has replaced tensors that the graphs read
            self._captured.clear()
            self._memory = memory
        shape = images_BCHW.shape, images_BCHW.stride(), images_BCHW.dtype
        self._seen[shape] += 1
        if shape not in self._captured and self._seen[shape] > SEEN_BEFORE_CAPTURE:
            self._capture(images_BCHW, shape)
        return self._captured.get(shape, self._network)(images_BCHW)

    def close(self) -> None:
        """Free the graphs and their memory; the network then runs without."""
        self._off = True
        if self._captured:
            self._captured.clear()
            gc.collect()  # torch's wrappers refer to each other

    def _capture(self, images_BCHW: Tensor, shape: Hashable) -> None:
        """Capture the network for this shape of batch; leave statistics and random numbers as they were."""
        if _has_hooks(self._network):  # replaying a graph would not call them
            self._off = True
            return
        while len(self._captured) >= MOST_GRAPHS:
            self._captured.pop(next(iter(self._captured)))
        devices = [torch.cuda.current_device()] if self._device.type == "cuda" else []
        with _buffers_as_they_were(self._network), torch.random.fork_rng(devices=devices):
            try:
                self._captured[shape] = self._graph(images_BCHW.clone())
            except Exception as error:  # a plugin's network may raise anything
                self.why_not = one_line(f"{type(error).__name__}: {error}")[:200]
                self._off = True
                self._captured.clear()
                _leave_capture_mode(devices)

    def _graph(self, images_BCHW: Tensor) -> Callable[[Tensor], Given]:
        """Return the captured network; raises torch's errors if it cannot be captured."""
        lowered = self._choice.dtype == "bfloat16"
        # a cast cached by autocast would be captured once and not repeated
        with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=lowered, cache_enabled=False):
            try_without_waiting(self._network, images_BCHW)
            # only one shape runs at a time, so their graphs can share memory
            self._pool = self._pool or torch.cuda.graph_pool_handle()
            whole = _Whole(self._network)
            torch.cuda.make_graphed_callables(whole, (images_BCHW,), allow_unused_input=True, pool=self._pool)
        return whole


def try_without_waiting(network: nn.Module, images_BCHW: Tensor) -> None:
    """Run forward and backward once; raise RuntimeError if the host waits for the GPU, which cannot be captured.

    A capture that fails half-way leaves torch's allocator in a state in which it cannot free memory.
    """
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        made = [tensor for tensor in tree_leaves(network(images_BCHW)) if tensor.requires_grad]
        trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        torch.autograd.grad(made, trained, [torch.empty_like(tensor) for tensor in made], allow_unused=True)
    finally:
        torch.cuda.set_sync_debug_mode(before)


def _leave_capture_mode(devices: Sequence[int]) -> None:
    """Give the devices' random generators new states: after a failed capture, torch refuses to use the old ones."""
    for generator in torch.cuda.default_generators:
        if generator.device.index in devices:
            generator.graphsafe_set_state(torch.Generator(generator.device).graphsafe_get_state())


@contextlib.contextmanager
def _buffers_as_they_were(network: nn.Module) -> Iterator[None]:
    """Restore the network's buffers, such as running statistics, after the block."""
    kept = [buffer.clone() for buffer in network.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, before in zip(network.buffers(), kept, strict=True):
                buffer.copy_(before)


class _Whole(nn.Module):
    """A wrapper around the network, whose `forward` torch replaces by the graph."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, images_BCHW: Tensor) -> Given:
        return self.network(images_BCHW)


def _memory(network: nn.Module) -> tuple[object, ...]:
    """Return the addresses of the network's tensors and which of them are trained."""
    return tuple((t.data_ptr(), t.requires_grad) for t in itertools.chain(network.parameters(), network.buffers()))


def _has_hooks(network: nn.Module) -> bool:
    """Whether any layer has forward or backward hooks."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return any(getattr(module, kind) for module in network.modules() for kind in kinds)
