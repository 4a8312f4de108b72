"""Image and product name in one network, trained jointly."""

from __future__ import annotations

import dataclasses

from strategies.base import Strategy, Text
from strategies.registry import register


@register
@dataclasses.dataclass(frozen=True)
class TextFusion(Strategy):
    """Concatenate the encodings of image and name, then a fully connected layer, then the backbone's classifier.

    The study, "What it asked for next", 4: "a CNN on the image and an RNN on productDisplayName, trained jointly: both
    encodings, then a fully connected layer"; it names no sizes. Any backbone and any classifier (`:mlp2`, `:cosine`,
    `:attention`). Stage 2 keeps both encoders and the joint layer and replaces the classifier; its vocabulary is stage
    1's followed by the new words. The text encoder is trained by AdamW at `Text`'s own peak rate, the rest by the
    recipe's optimiser, from one backward pass.

    Joins every loss, weight and sampler. Strategies that mix images (mixup, cutmix, remix, cmo) are refused, because
    two names cannot be blended, and so are several experts, because they build another network. Augmentation changes
    the image only. `mask_class_words` as in `text-only`.
    """

    name = "text-fusion"
    summary = "image and product name in one network, trained jointly"
    needs = frozenset({"text"})
    seats = frozenset({"text", "architecture", "mix"})

    mask_class_words: bool = False

    def text(self) -> Text:
        """Names and images."""
        return Text(self.mask_class_words)
