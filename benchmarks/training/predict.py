"""Network -> outputs of rows, in evaluation mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from backbones.modes import evaluating
from backbones.probe import Choice
from benchmarks.support.gpu_errors import out_of_memory
from benchmarks.training.batching.batches import Batches, split_batches
from benchmarks.training.forward import forward
from strategies.base import Outputs

if TYPE_CHECKING:
    from backbones.network import Network

# Rows per batch. A GPU that has no room for so many gets half, and half again.
CPU_BATCH, GPU_BATCH = 256, 1024


def outputs_of(
    network: Network, batcher: Batches, rows_N: np.ndarray, choice: Choice, classes: int, *, features: bool = True
) -> Outputs:
    """Return float32 logits [N, C] of the rows, C being `classes`, their features [N, F], and what else there is.

    All on the CPU; without `features` those are [N, 0]. They are means over the batcher's views of a row. The network's
    mode is restored. A GPU keeps the outputs of all batches until the end, so that it waits once.
    """
    batch_size = CPU_BATCH if batcher.device.type == "cpu" else GPU_BATCH
    width = network.feature_size if features else 0
    with evaluating(network):
        while True:
            try:
                cut = split_batches(len(rows_N), batch_size)
                parts = [_part(network, batcher, rows_N[part], choice, features) for part in cut]
                return _on_cpu(parts) if parts else Outputs(torch.zeros(0, classes), torch.zeros(0, width))
            except RuntimeError as error:
                if not out_of_memory(error) or batch_size == 1:
                    raise
            batch_size //= 2  # a GPU that trains in pieces may not have room for this either
            torch.cuda.empty_cache()


def _part(network: Network, batcher: Batches, rows_B: np.ndarray, choice: Choice, features: bool) -> Outputs:
    """Return the outputs of one batch of rows, on the device."""
    tokens_BT = batcher.tokens(rows_B)
    made = (forward(network, view, choice, tokens_BT) for view in batcher.evaluations(rows_B))
    return _mean([Outputs(o.logits_BC, _features(o.features_BF, features), o.extra) for o in made])


def _features(features_BF: torch.Tensor, wanted: bool) -> torch.Tensor:
    """Return float32 features [B, F], or [B, 0] without holding on to their memory."""
    return features_BF.float() if wanted else features_BF.new_zeros((len(features_BF), 0), dtype=torch.float32)


def _on_cpu(parts: Sequence[Outputs]) -> Outputs:
    """Return the outputs of all batches as one, on the CPU."""
    return Outputs(
        torch.cat([part.logits_BC for part in parts]).cpu(),
        torch.cat([part.features_BF for part in parts]).cpu(),
        {name: torch.cat([part.extra[name] for part in parts]).cpu() for name in parts[0].extra},
    )


def _mean(views: Sequence[Outputs]) -> Outputs:
    """Return the mean of the outputs of several views of the same rows."""
    if len(views) == 1:
        return views[0]
    return Outputs(
        torch.stack([view.logits_BC for view in views]).mean(0),
        torch.stack([view.features_BF for view in views]).mean(0),
        {name: torch.stack([view.extra[name] for view in views]).mean(0) for name in views[0].extra},
    )


def logits_of(network: Network, batcher: Batches, rows_N: np.ndarray, choice: Choice, classes: int) -> np.ndarray:
    """Return float32 logits [N, C] of the rows."""
    return outputs_of(network, batcher, rows_N, choice, classes, features=False).logits_BC.numpy()
