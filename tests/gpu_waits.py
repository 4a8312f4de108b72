"""A GPU that is not there: computes on the CPU, and counts where the host would wait for a real one.

A tensor is "on the GPU" if its storage is marked. One mode answers `.device` and `.is_cuda` and turns `device="cuda"`
and `.to` into marks; the other sees every operation and marks its results. Counted are copies to the GPU that are not
pinned and queued, copies from it, `.item()`, `nonzero` and other results whose size the host has to know.
"""

from __future__ import annotations

import collections
import contextlib
import sys
from collections.abc import Iterator

import pytest
import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

GPU, CPU = torch.device("cuda", 0), torch.device("cpu")
PARTS = ("/benchmarks/", "/backbones/", "/strategies/")
A = torch.ops.aten
SYNCS = {A._local_scalar_dense, A.nonzero, A.masked_select, A.equal, A.is_nonzero, A._unique2}
HOST_PARTS = {A._pack_padded_sequence}  # its second result stays on the CPU


class Waits:
    """The lines of this project at which the host waited while `counting`, and how often."""

    def __init__(self) -> None:
        self.lines: collections.Counter[str] = collections.Counter()
        self.counting = False
        self._on_gpu: dict[int, StorageWeakRef] = {}
        self._pinned: dict[int, StorageWeakRef] = {}

    def note(self) -> None:
        """Count a wait for the innermost line of the project."""
        frame = sys._getframe(1)
        while self.counting and frame is not None:
            name = frame.f_code.co_filename
            if any(part in name for part in PARTS):
                start = max(name.rfind(part) for part in PARTS) + 1
                self.lines[f"{name[start:]}:{frame.f_lineno}"] += 1
                return
            frame = frame.f_back  # type: ignore[assignment]

    def mark(self, tree: object, pinned: bool = False) -> object:
        """Say that all tensors in `tree` are on the GPU, or in pinned memory."""
        for tensor in tree_leaves(tree):
            if isinstance(tensor, torch.Tensor):
                with torch._C.DisableTorchFunction():
                    storage = tensor.untyped_storage()
                (self._pinned if pinned else self._on_gpu)[storage._cdata] = StorageWeakRef(storage)
        return tree

    def marked(self, tensor: torch.Tensor, pinned: bool = False) -> bool:
        """Whether the tensor is on the GPU, or in pinned memory."""
        marks = self._pinned if pinned else self._on_gpu
        with torch._C.DisableTorchFunction():
            reference = marks.get(tensor.untyped_storage()._cdata)
        return reference is not None and not reference.expired()


class _Functions(TorchFunctionMode):
    def __init__(self, waits: Waits, operations: _Operations) -> None:
        super().__init__()
        self.waits, self.operations = waits, operations

    def __torch_function__(self, func, types, args=(), kwargs=None):
        waits, kwargs = self.waits, dict(kwargs or {})
        if func == torch.Tensor.device.__get__:
            return GPU if waits.marked(args[0]) else CPU
        if func in (torch.Tensor.is_cuda.__get__, torch.Tensor.is_cpu.__get__):
            return waits.marked(args[0]) == (func == torch.Tensor.is_cuda.__get__)
        if func is torch.Tensor.pin_memory:
            return waits.mark(args[0].clone(), pinned=True)
        if func is torch.Tensor.cpu:
            return self.move(args[0], CPU, queued=False)
        if func is torch.Tensor.to:
            return self.to(*args, **kwargs)
        placed = str(kwargs.get("device", "")).partition(":")[0] == "cuda"
        if placed:
            kwargs["device"] = "cpu"
        new = func is torch.Tensor.new_tensor and waits.marked(args[0])
        if new or (placed and func in (torch.tensor, torch.as_tensor)):
            waits.note()
        if func is torch.nn.functional.one_hot:  # checks the labels on the CPU only
            with self.operations.off():
                return waits.mark(func(*args, **kwargs)) if waits.marked(args[0]) else func(*args, **kwargs)
        inside = any(isinstance(t, torch.Tensor) and waits.marked(t) for t in tree_leaves((args, kwargs)))
        self.operations.inside.append(inside)  # what a composite operation makes on the GPU is there as well
        try:
            made = func(*args, **kwargs)
        finally:
            self.operations.inside.pop()
        return waits.mark(made) if placed or new else made

    def to(self, tensor, *args, non_blocking=False, copy=False, **kwargs):
        if args and isinstance(args[0], torch.Tensor):
            device, dtype, layout = (GPU if self.waits.marked(args[0]) else CPU), args[0].dtype, None
        else:
            device, dtype, _, layout = torch._C._nn._parse_to(*args, **kwargs)
        if device is not None:
            tensor = self.move(tensor, device, queued=non_blocking and self.waits.marked(tensor, pinned=True))
        more = {} if layout is None else {"memory_format": layout}
        with torch._C.DisableTorchFunction():
            return torch.Tensor.to(tensor, dtype or tensor.dtype, copy=copy, **more)

    def move(self, tensor, device, queued):
        if (device.type == "cuda") == self.waits.marked(tensor):
            return tensor
        if not queued:
            self.waits.note()
        with self.operations.off():
            copy = tensor.detach().clone()
        return self.waits.mark(copy) if device.type == "cuda" else copy


class _Operations(TorchDispatchMode):
    def __init__(self, waits: Waits) -> None:
        super().__init__()
        self.waits, self.inside, self._quiet = waits, [False], False

    @contextlib.contextmanager
    def off(self) -> Iterator[None]:
        """Mark and count nothing inside the block."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        packet = func.overloadpacket
        given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        on_gpu = [self.waits.marked(t) for t in given]
        if self._quiet or not (any(on_gpu) or (not given and self.inside[-1])):
            return made
        masks = packet is A.index and any(i is not None and i.dtype == torch.bool for i in args[1])
        crossing = packet is A.copy_ and on_gpu[0] != on_gpu[1]
        indexed = packet in (A.index, A.index_put_) and any(t.dim() and not on for t, on in zip(given, on_gpu))  # noqa: B905
        if packet in SYNCS or masks or crossing or indexed:
            self.waits.note()
        if packet is not A._local_scalar_dense and not (packet is A.copy_ and not on_gpu[0]):
            self.waits.mark(made[0] if packet in HOST_PARTS else made)
        return made


def pretend_cuda_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torch's own functions for a GPU, which would need one, do nothing; autocast is that of the CPU."""
    for name in ("init", "manual_seed", "reset_peak_memory_stats", "empty_cache", "synchronize"):
        monkeypatch.setattr(torch.cuda, name, lambda *_: None)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda *_: torch.zeros(16, dtype=torch.uint8))
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda *_: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda *_: 0)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: (2**36, 2**36))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "NVIDIA H200")
    monkeypatch.setattr(torch.nn.RNNBase, "flatten_parameters", lambda self: None)
    cpu = torch.autocast
    monkeypatch.setattr(torch, "autocast", lambda device_type, **more: cpu("cpu", **more))


@contextlib.contextmanager
def pretended_gpu() -> Iterator[Waits]:
    """Inside the block there is a GPU; yields what counts its waits. Call `pretend_cuda_calls` before."""
    waits = Waits()
    operations = _Operations(waits)
    with operations, _Functions(waits, operations):
        yield waits
