"""A recurrent classifier on product names alone: the reference row beside which the text strategies stand."""

from __future__ import annotations

import dataclasses

from strategies.base import Strategy, Text
from strategies.registry import register


@register
@dataclasses.dataclass(frozen=True)
class TextOnly(Strategy):
    """Train a bidirectional GRU on the names (`backbones/text.py`), no image seen; the same for every backbone.

    The study, "What it asked for next", 5: "a separate RNN classifier on productDisplayName", which names no sizes,
    rates or epochs. Ours: AdamW at `Text`'s own peak rate, for a recurrent network from scratch learns poorly under
    an image recipe's SGD; epochs, batch size and the schedule's shape are the recipe's. The vocabulary is that of the
    training rows (`benchmarks/data/text/vocabulary.py`). The job's key holds neither backbone nor layout nor precision,
    so one job serves every backbone. Losses, weights, samplers and what works on the classifier join by `+`; what mixes
    or augments images is refused.

    `mask_class_words` takes the words of all class names out of every name, in training and in testing, so that one
    sees what the rest of the name tells.
    """

    name = "text-only"
    summary = "a recurrent classifier on the product's name alone, no image seen"
    needs = frozenset({"text"})
    seats = frozenset({"text", "architecture", "mix", "augmentation"})

    mask_class_words: bool = False

    def text(self) -> Text:
        """Names, and no image."""
        return Text(self.mask_class_words, images=False)
