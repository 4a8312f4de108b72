"""Network -> outputs of rows, in evaluation mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from backbones.modes import evaluating
from backbones.probe import Choice
from benchmarks.training.batches import Batches, split_batches
from benchmarks.training.forward import forward
from strategies.base import Outputs

if TYPE_CHECKING:
    from backbones.network import Network


def outputs_of(
    network: Network, batcher: Batches, rows_N: np.ndarray, choice: Choice, classes: int, batch_size: int = 256
) -> Outputs:
    """Return float32 logits [N, C] of the rows, C being `classes`, their features [N, F], and what else there is.

    All on the CPU; the network is put back into the mode it was in. With the recipe's `flip_test` they are means
    over an image and its mirror.
    """
    with evaluating(network):
        while True:
            try:
                cut = split_batches(len(rows_N), batch_size)
                parts = [_part(network, batcher, rows_N[part], choice) for part in cut]
                break
            except torch.OutOfMemoryError:
                if batch_size == 1:
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
    images_BCHW, tokens_BT = batcher.evaluation(rows_B), batcher.tokens(rows_B)
    given = _on_cpu(forward(network, images_BCHW, choice, tokens_BT))
    if batcher.flip_test:
        given = _mean(given, _on_cpu(forward(network, images_BCHW.flip(3), choice, tokens_BT)))
    return given


def _on_cpu(given: Outputs) -> Outputs:
    extra = {name: tensor.cpu() for name, tensor in given.extra.items()}
    return Outputs(given.logits_BC.cpu(), given.features_BF.float().cpu(), extra)


def _mean(one: Outputs, other: Outputs) -> Outputs:
    extra = {name: (tensor + other.extra[name]) / 2 for name, tensor in one.extra.items()}
    return Outputs((one.logits_BC + other.logits_BC) / 2, (one.features_BF + other.features_BF) / 2, extra)


def logits_of(network: Network, batcher: Batches, rows_N: np.ndarray, choice: Choice, classes: int) -> np.ndarray:
    """Return float32 logits [N, C] of the rows."""
    return outputs_of(network, batcher, rows_N, choice, classes).logits_BC.numpy()
