"""Low-rank updates of a frozen transformer's attention."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from strategies.base import Facts
from strategies.finetuning.adapters import Adapters
from strategies.registry import register

if TYPE_CHECKING:
    from torch import nn


@register
@dataclasses.dataclass(frozen=True)
class LowRank(Adapters):
    """Train x A B / r, added to queries and values of each block of a frozen transformer, and the classifier.

    Hu, Shen, Wallis, Allen-Zhu, Li, Wang, Wang, Chen, "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022,
    arXiv:2106.09685, section 4, with the loss, classifier and classifier initialisation of LIFT (arXiv:2309.10019,
    see `lift.py`; its `lora`). B starts at 0, so that training starts at the frozen network. `export` adds A B / r to
    the weights: the exported network is a plain one.

    Default `rank=none`: LIFT's r = 2^floor(log2(C / 2L)), L the number of blocks; alpha is 1, as in LIFT's code. `rank`
    is at least 1.
    Deviations: no dropout on x, as in LIFT's code; the next stage goes on with the same updates; no test-time ensemble.
    """

    name = "lora"
    summary = "train low-rank updates of a frozen transformer, and a cosine classifier with logit adjustment"

    def architecture(self, network: nn.Module, facts: Facts) -> None:
        """Freeze the encoder and add low-rank updates."""
        from backbones.strategy_layers.light import add_low_rank

        add_low_rank(network, self.rank_in(network, facts))  # type: ignore[arg-type]
