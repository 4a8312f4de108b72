"""A recurrent classifier on product names alone: the reference for the other text strategies."""

from __future__ import annotations

import dataclasses

from strategies.base import Strategy, Text
from strategies.registry import register


@register
@dataclasses.dataclass(frozen=True)
class TextOnly(Strategy):
    """Train a bidirectional GRU on the names (`backbones/text.py`), without images; the same for every backbone.

    The study, "What it asked for next", 5: "a separate RNN classifier on productDisplayName", which names no sizes,
    rates or epochs. Ours: AdamW at `Text`'s own peak rate, because a recurrent network from scratch learns poorly under
    an image recipe's SGD; epochs, batch size and the schedule's shape are the recipe's. The vocabulary is that of the
    training rows (`benchmarks/data/text/vocabulary.py`). The job's key contains neither backbone nor layout nor
    precision, so one job serves every backbone. Losses, weights, samplers and strategies that work on the classifier
    join by `+`; those that mix or augment images are refused.

    `mask_class_words` removes the words of all class names from every name, in training and in testing, to show what
    the rest of the name predicts.
    """

    name = "text-only"
    summary = "a recurrent classifier on the product's name, without the image"
    needs = frozenset({"text"})
    seats = frozenset({"text", "architecture", "mix", "augmentation"})

    mask_class_words: bool = False

    def text(self) -> Text:
        """Names without images."""
        return Text(self.mask_class_words, images=False)
