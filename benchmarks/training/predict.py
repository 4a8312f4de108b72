"""Network -> outputs of rows, in evaluation mode. N rows, B batch, C classes, F features."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch

from backbones.modes import evaluating
from backbones.probe import Choice, autocast
from benchmarks.support.gpu_errors import out_of_memory
from benchmarks.training.batching.batches import Batches, split_batches
from benchmarks.training.forward import classify, forward
from strategies.base import Outputs

if TYPE_CHECKING:
    from backbones.network import Network

# Rows per batch; halved, repeatedly if needed, when a GPU runs out of memory.
CPU_BATCH, GPU_BATCH = 256, 1024

Part = TypeVar("Part")


def outputs_of(
    network: Network, batcher: Batches, rows_N: np.ndarray, choice: Choice, classes: int, *, features: bool = True
) -> Outputs:
    """Return float32 logits [N, C] of the rows, C being `classes`, their features [N, F], and the other outputs.

    All are on the CPU and averaged over the batcher's views of a row; without `features` those are [N, 0]. The
    network's mode is restored. A GPU keeps the outputs of all batches until the end, so that the host waits once.
    """
    width = network.feature_size if features else 0
    parts = _in_batches(network, batcher, rows_N, lambda rows_B: _part(network, batcher, rows_B, choice, features))
    return _on_cpu(parts) if parts else Outputs(torch.zeros(0, classes), torch.zeros(0, width))


@dataclasses.dataclass(frozen=True, eq=False)
class RowFeatures:
    """The features that a network's classifier gets for some rows: for each batch, [B, F] of each view.

    Kept on the device in the precision of the forward pass, so that the classifier gets the same as in a full pass.
    """

    batches: Sequence[Sequence[torch.Tensor]]

    @classmethod
    def of(cls, network: Network, batcher: Batches, rows_N: np.ndarray, choice: Choice) -> RowFeatures:
        """Compute the features of these rows in evaluation mode; the network's mode is restored."""

        def part(rows_B: np.ndarray) -> list[torch.Tensor]:
            tokens_BT = batcher.tokens(rows_B)
            with autocast(choice, batcher.device):
                return [network.features(view, tokens_BT) for view in batcher.evaluations(rows_B)]

        return cls(_in_batches(network, batcher, rows_N, part))

    def outputs(self, network: Network, choice: Choice, classes: int) -> Outputs:
        """Return `outputs_of` with `features=False` for these rows, running only the classifier."""
        with evaluating(network):
            made = [_mean([_bare(classify(network, view, choice)) for view in views]) for views in self.batches]
        return _on_cpu(made) if made else Outputs(torch.zeros(0, classes), torch.zeros(0, 0))


def _in_batches(
    network: Network, batcher: Batches, rows_N: np.ndarray, part: Callable[[np.ndarray], Part]
) -> list[Part]:
    """Return `part` of each batch of the rows, in evaluation mode; batches shrink if a GPU runs out of memory."""
    batch_size = CPU_BATCH if batcher.device.type == "cpu" else GPU_BATCH
    with evaluating(network):
        while True:
            try:
                return [part(rows_N[cut]) for cut in split_batches(len(rows_N), batch_size)]
            except RuntimeError as error:
                if not out_of_memory(error) or batch_size == 1:
                    raise
            batch_size //= 2  # a GPU that trains in pieces may not have room for this either
            torch.cuda.empty_cache()


def _part(network: Network, batcher: Batches, rows_B: np.ndarray, choice: Choice, features: bool) -> Outputs:
    """Return the outputs of one batch of rows, on the device."""
    tokens_BT = batcher.tokens(rows_B)
    made = (forward(network, view, choice, tokens_BT) for view in batcher.evaluations(rows_B))
    return _mean([Outputs(o.logits_BC, o.features_BF.float(), o.extra) if features else _bare(o) for o in made])


def _bare(outputs: Outputs) -> Outputs:
    """Return the outputs without their features ([B, 0]), so that the features' memory is released."""
    none_B0 = outputs.logits_BC.new_zeros(len(outputs.logits_BC), 0)
    return Outputs(outputs.logits_BC, none_B0, outputs.extra)


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
