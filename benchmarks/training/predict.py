"""Network -> outputs of rows, in evaluation mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from backbones.modes import evaluating
from backbones.probe import Choice
from benchmarks.support.gpu_errors import out_of_memory
from benchmarks.training.batches import Batches, split_batches
from benchmarks.training.forward import forward
from strategies.base import Outputs

if TYPE_CHECKING:
    from backbones.network import Network


def outputs_of(
    network: Network, batcher: Batches, rows_N: np.ndarray, choice: Choice, classes: int, batch_size: int = 256
) -> Outputs:
    """Return float32 logits [N, C] of the rows, C being `classes`, their features [N, F], and what else there is.

    All on the CPU; the network's mode is restored. They are means over the
    batcher's views of a row.
    """
    with evaluating(network):
        while True:
            try:
                cut = split_batches(len(rows_N), batch_size)
                parts = [_part(network, batcher, rows_N[part], choice) for part in cut]
                break
            except RuntimeError as error:
                if not out_of_memory(error) or batch_size == 1:
                    raise
            batch_size //= 2  # a GPU that trains in pieces may not have room for this either
            torch.cuda.empty_cache()
    if not parts:
        return Outputs(torch.zeros(0, classes), torch.zeros(0, network.feature_size))
    return Outputs(
        torch.cat([part.logits_BC for part in parts]),
        torch.cat([part.features_BF for part in parts]),
        {name: torch.cat([part.extra[name] for part in parts]) for name in parts[0].extra},
    )


def _part(network: Network, batcher: Batches, rows_B: np.ndarray, choice: Choice) -> Outputs:
    """Return the outputs of one batch of rows, on the CPU."""
    tokens_BT = batcher.tokens(rows_B)
    return _mean([_on_cpu(forward(network, view, choice, tokens_BT)) for view in batcher.evaluations(rows_B)])


def _on_cpu(given: Outputs) -> Outputs:
    extra = {name: tensor.cpu() for name, tensor in given.extra.items()}
    return Outputs(given.logits_BC.cpu(), given.features_BF.float().cpu(), extra)


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
    return outputs_of(network, batcher, rows_N, choice, classes).logits_BC.numpy()
