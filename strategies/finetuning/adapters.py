"""Adapters in a frozen transformer."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from strategies.base import Facts
from strategies.finetuning.lift import LightFineTuning
from strategies.registry import register
from strategies.space import Integer, Space

if TYPE_CHECKING:
    from torch import nn


@register
@dataclasses.dataclass(frozen=True)
class Adapters(LightFineTuning):
    """Train s up(relu(down(LN(x)))), added to the MLP of each block of a frozen transformer, and the classifier.

    Chen, Ge, Tong, Wang, Song, Wang, Luo, "AdaptFormer: Adapting Vision Transformers for Scalable Visual Recognition",
    NeurIPS 2022, arXiv:2205.13535, section 3.2, with the loss, classifier and classifier initialisation of LIFT
    (arXiv:2309.10019, see `lift.py`), which uses these adapters by default. `up` starts at 0, so that training starts
    at the frozen network; s is learnt from 1.

    Default `rank=none`: LIFT's 2^floor(log2(C / 2L)) features between down and up, L the number of blocks. `rank` is at
    least 1.
    Deviations: the adapter reads the block's own LN(x), as in AdaptFormer's formula, where LIFT's code gives it another
    LayerNorm; drop path and layer scale of a block act on the sum; no test-time ensemble of crops.
    """

    name = "adapters"
    summary = "train adapters in a frozen transformer, and a cosine classifier with logit adjustment"
    needs = frozenset({"pixels", "transformer"})
    ranges = {"rank": "[1, inf)"}

    rank: int | None = None

    def space(self) -> Space:
        """Ranks from 1, which LIFT's rule gives for few classes, to AdaptFormer's and LoRA's common 64."""
        return {"rank": Integer(1, 64, log=True)}

    def architecture(self, network: nn.Module, facts: Facts) -> None:
        """Freeze the encoder and add adapters."""
        from backbones.strategy_layers.light import add_adapters

        add_adapters(network, self.rank_in(network, facts))  # type: ignore[arg-type]

    def rank_in(self, network: Any, facts: Facts) -> int:
        """Return the features between down and up."""
        from backbones.strategy_layers.light import default_rank, transformer_blocks

        return self.rank or default_rank(len(transformer_blocks(network.encoder)), facts.num_classes)
