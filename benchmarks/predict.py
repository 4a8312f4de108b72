"""Network -> logits of rows, in evaluation mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from backbones.probe import Choice, autocast
from benchmarks.batches import Batcher, split_batches

if TYPE_CHECKING:
    from backbones.network import Network


@torch.no_grad()
def logits_of(
    network: Network, batcher: Batcher, rows_N: np.ndarray, choice: Choice, classes: int, batch_size: int = 256
) -> np.ndarray:
    """Return float32 logits [N, C] of the rows, C being `classes`; the network is put back into the mode it was in."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    parts = []
    for part in split_batches(len(rows_N), batch_size):
        with autocast(choice, batcher.device):
            logits_BC, _ = network(batcher.evaluation(rows_N[part]))
        parts.append(logits_BC.float().cpu().numpy())
    for module, mode in modes.items():
        module.training = mode
    return np.concatenate(parts) if parts else np.zeros((0, classes), dtype=np.float32)
