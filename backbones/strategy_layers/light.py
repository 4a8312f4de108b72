"""Parameter-efficient fine-tuning: norms only, adapters, low-rank updates. B batch, T tokens, F features, R rank.

New parameters get names of their own; the timm model's parameters keep theirs.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from backbones.errors import BackboneError
from backbones.network import Network, build

NORMS = (nn.modules.batchnorm._BatchNorm,)
TRANSFORMER, BATCH_NORM = "transformer", "batch-norm"  # what a strategy may need of a network


def parts_of(spec: str, image_size: int) -> frozenset[str]:
    """Return which of `TRANSFORMER` and `BATCH_NORM` a backbone's encoder has; builds it once.

    Raises `BackboneError` for a backbone that cannot be built for that image size.
    """
    encoder = build(spec, 2, image_size=image_size, seed=0).encoder
    has = {TRANSFORMER: bool(transformer_blocks(encoder)), BATCH_NORM: has_batch_norm(encoder)}
    return frozenset(name for name, there in has.items() if there)


def transformer_blocks(encoder: nn.Module) -> list[Any]:
    """Return timm's transformer blocks with fused attention weights (`attn.qkv`) and an MLP, in order."""
    return [module for module in encoder.modules() if _is_block(module)]


def has_batch_norm(encoder: nn.Module) -> bool:
    """Whether an encoder normalises by batch."""
    return any(isinstance(module, NORMS) for module in encoder.modules())


def train_norms_only(network: Network) -> None:
    """Freeze the encoder except for scale and shift of its batch-norm layers, whose statistics follow the batches.

    Raises `BackboneError` for an encoder without such layers.
    """
    if not has_batch_norm(network.encoder):
        raise BackboneError(f"{network.spec} has no batch normalisation; choose another backbone")
    network.encoder.requires_grad_(False)
    for module in network.encoder.modules():
        if isinstance(module, NORMS):
            module.requires_grad_(True)


class Adapter(nn.Module):
    """s up(relu(down(x))), [..., F] to [..., F], with R features between; `up` starts at 0 and s at 1."""

    def __init__(self, feature_size: int, rank: int) -> None:
        """Draw the first weights of `down` from torch's generator."""
        super().__init__()
        self.down, self.up = nn.Linear(feature_size, rank), nn.Linear(rank, feature_size)
        self.scale = nn.Parameter(torch.ones(()))
        nn.init.kaiming_normal_(self.down.weight, a=math.sqrt(5))
        for zero in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(zero)

    def forward(self, x: Tensor) -> Tensor:
        """Return what is added to the output of the layer that got x."""
        return self.scale * self.up(self.down(x).relu())


def add_adapters(network: Network, rank: int) -> None:
    """Freeze the encoder and put an `Adapter` parallel to the MLP of each transformer block, in place.

    Raises `BackboneError` for an encoder without such blocks.
    """
    for block in _frozen_blocks(network):
        block.mlp.adapter = Adapter(block.mlp.fc1.in_features, rank)
        block.mlp.register_forward_hook(_adapted)


def add_low_rank(network: Network, rank: int) -> None:
    """Freeze the encoder and add low-rank updates to queries and values of each transformer block, in place.

    x A B / R is added, A [F, R] uniform as a linear layer's weight, B [R, F] zero. Raises `BackboneError` for an
    encoder without such blocks.
    """
    for block in _frozen_blocks(network):
        size = block.attn.qkv.in_features
        for name in ("query", "value"):
            down_FR = torch.empty(size, rank)
            nn.init.kaiming_uniform_(down_FR, a=math.sqrt(5))
            block.attn.qkv.register_parameter(f"{name}_down_FR", nn.Parameter(down_FR))
            block.attn.qkv.register_parameter(f"{name}_up_RF", nn.Parameter(torch.zeros(rank, size)))
        block.attn.qkv.register_forward_hook(_updated)


def merge_low_rank(network: Network) -> None:
    """Merge low-rank updates, if any, into the weights and drop their parameters, leaving a plain timm model."""
    with torch.no_grad():
        for qkv in (block.attn.qkv for block in transformer_blocks(network.encoder) if _is_updated(block.attn.qkv)):
            for name, rows_3FF in zip(("query", "value"), qkv.weight.chunk(3)[::2], strict=True):
                rows_3FF += _product(qkv, name).T
                delattr(qkv, f"{name}_down_FR")
                delattr(qkv, f"{name}_up_RF")


def default_rank(blocks: int, classes: int) -> int:
    """Return LIFT's rank, 2^floor(log2(C / 2L)) for L blocks, at least 1: fewer weights than a classifier has."""
    return 2 ** max(0, math.floor(math.log2(max(classes, 1) / (2 * max(blocks, 1)))))


def _is_block(module: nn.Module) -> bool:
    qkv = getattr(getattr(module, "attn", None), "qkv", None)
    return isinstance(qkv, nn.Linear) and isinstance(getattr(getattr(module, "mlp", None), "fc1", None), nn.Linear)


def _frozen_blocks(network: Network) -> list[Any]:
    blocks = transformer_blocks(network.encoder)
    if not blocks:
        raise BackboneError(f"{network.spec} has no transformer blocks; choose a transformer such as vit_small")
    network.encoder.requires_grad_(False)
    return blocks


def _adapted(mlp: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """Return the MLP's output with the adapter's."""
    return output + mlp.get_submodule("adapter")(inputs[0])


def _updated(qkv: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """Return queries, keys and values with the low-rank updates, if they have not been merged."""
    if not _is_updated(qkv):
        return output
    query, value = (inputs[0] @ _product(qkv, name) for name in ("query", "value"))
    return output + torch.cat([query, torch.zeros_like(query), value], dim=-1)


def _is_updated(qkv: nn.Module) -> bool:
    return hasattr(qkv, "query_down_FR")


def _product(qkv: nn.Module, name: str) -> Tensor:
    down_FR, up_RF = qkv.get_parameter(f"{name}_down_FR"), qkv.get_parameter(f"{name}_up_RF")
    return down_FR @ up_RF / down_FR.shape[1]
