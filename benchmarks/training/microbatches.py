"""Gradient accumulation for batches that do not fit a GPU's memory, with the same effective batch size.

The loss is computed once, over the whole batch, so that it is right even for losses that couple samples:
1. forward pass of each piece, of which only the outputs are kept;
2. gradient of the loss with respect to all outputs together;
3. forward pass of each piece again, and backward pass from these gradients.
This costs an additional forward pass. Batch normalisation uses statistics of one piece, so results differ slightly from
those of the whole batch; records note it. B batch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.training.batching.batches import split_batches
from benchmarks.training.forward import seed_network
from benchmarks.training.passes import detached
from strategies.base import Batch, Outputs

Tensors = dict[tuple[int, str], Tensor]


def gradients_in_pieces(
    network: nn.Module,
    batch: Batch,
    pieces: int,
    seed: int,
    outputs_of: Callable[[Batch], Outputs],
    loss_of: Callable[[Outputs], Tensor],
) -> Tensor:
    """Accumulate the batch's gradients and return its loss, with the activations of one piece at a time in memory.

    `seed`: both forward passes of a piece draw the same random numbers (dropout).
    """
    size = len(batch.labels_B)
    parts = list(split_batches(size, -(-size // pieces)))
    buffers = [buffer.clone() for buffer in network.buffers()]
    # with gradients enabled, because some layers return extra outputs only then
    made = [detached(_outputs(batch, part, seed + k, outputs_of)) for k, part in enumerate(parts)]
    with torch.no_grad():
        for buffer, before in zip(network.buffers(), buffers, strict=True):
            buffer.copy_(before)  # only the second pass updates the buffers
    whole = {name: torch.cat([_tensors(one)[name] for one in made]) for name in _tensors(made[0])}
    leaves = {n: t.requires_grad_() if t.is_floating_point() else t for n, t in whole.items()}
    loss = loss_of(_from_tensors(leaves))
    loss.backward()
    for k, part in enumerate(parts):
        again = _tensors(_outputs(batch, part, seed + k, outputs_of))
        pairs = [(t, leaves[n].grad[part]) for n, t in again.items() if t.requires_grad and leaves[n].grad is not None]  # type: ignore[index]
        if pairs:  # stored features have no gradient
            torch.autograd.backward([t for t, _ in pairs], [gradient for _, gradient in pairs])
    return loss


def _outputs(batch: Batch, part: slice, seed: int, outputs_of: Callable[[Batch], Outputs]) -> Outputs:
    """Return the outputs of a part of the batch."""
    seed_network(seed, batch.labels_B.device)
    return outputs_of(_cut(batch, part))


def _cut(batch: Batch, part: slice) -> Batch:
    """Return a part of a batch, of its second batch and of its other views."""
    given = {f.name: getattr(batch, f.name) for f in dataclasses.fields(batch)}
    cut: dict[str, Any] = {name: value[part] for name, value in given.items() if isinstance(value, Tensor)}
    cut["views"] = tuple(_cut(view, part) for view in batch.views)
    cut["second"] = batch.second and _cut(batch.second, part)
    return dataclasses.replace(batch, **cut)


def _tensors(outputs: Outputs) -> Tensors:
    """Return all tensors keyed by (view, name); view 0 is the batch itself."""
    return {
        (view, name): tensor
        for view, one in enumerate((outputs, *outputs.views))
        for name, tensor in {"logits_BC": one.logits_BC, "features_BF": one.features_BF, **one.extra}.items()
    }


def _from_tensors(tensors: Tensors) -> Outputs:
    by_view: dict[int, dict[str, Tensor]] = {}
    for (view, name), tensor in tensors.items():
        by_view.setdefault(view, {})[name] = tensor
    first, *others = (Outputs(own.pop("logits_BC"), own.pop("features_BF"), own) for own in by_view.values())
    return dataclasses.replace(first, views=tuple(others))
