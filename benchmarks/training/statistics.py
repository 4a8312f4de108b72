"""Running statistics of batch normalisation, restored after a forward pass that must not count."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RunningStatistics:
    """A snapshot of the normalisation statistics that a training forward pass of `network` updates."""

    def __init__(self, network: nn.Module) -> None:
        """Copy the statistics, on their device: one copy for each data type, because layers are many and small."""
        self._groups: dict[torch.dtype, list[Tensor]] = {}
        for module in network.modules():
            if module.training and isinstance(module, nn.modules.batchnorm._NormBase):
                for buffer in module.buffers(recurse=False):
                    self._groups.setdefault(buffer.dtype, []).append(buffer)
        self._kept = {dtype: torch.cat([b.reshape(-1) for b in group]) for dtype, group in self._groups.items()}

    def put_back(self) -> None:
        """Restore the statistics, in place."""
        for dtype, group in self._groups.items():
            parts = self._kept[dtype].split([buffer.numel() for buffer in group])
            for buffer, part in zip(group, parts, strict=True):
                buffer.copy_(part.view_as(buffer))
