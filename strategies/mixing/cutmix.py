"""CutMix: a box of every training image replaced by the same box of another, the target weighted by area."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from strategies.base import Batch, Facts, Strategy
from strategies.mixing.mixup import draw_beta, draw_partners
from strategies.registry import register
from strategies.space import Real, Space

if TYPE_CHECKING:
    import torch


def draw_box(height: int, width: int, share: float, generator: torch.Generator) -> tuple[int, int, int, int]:
    """Return top, bottom, left, right in pixels of a box of about 1 - `share` of the image, clipped to the image.

    Its sides are sqrt(1 - share) of the image's, its centre is uniform over the pixels; it may be empty.
    """
    import torch

    side = math.sqrt(1 - share)
    spans = []
    for length in (height, width):
        half = int(length * side) // 2
        centre = int(torch.randint(length, (1,), generator=generator))
        spans += [max(centre - half, 0), min(centre + half, length)]
    top, bottom, left, right = spans
    return top, bottom, left, right


@register
@dataclasses.dataclass(frozen=True)
class CutMix(Strategy):
    """Paste a box of another sample j of the batch: x' = M x_i + (1 - M) x_j, y' = l y_i + (1 - l) y_j.

    Yun, Han, Oh, Chun, Choe, Yoo, "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
    Features", ICCV 2019, arXiv:1905.04899, equations 1 and 2: l ~ Beta(alpha, alpha) and one box for the batch, of
    sides W sqrt(1 - l) and H sqrt(1 - l), its centre uniform; if the border clips it, l becomes the share of the image
    that remains, as in the authors' code. A batch of one sample is unchanged.

    Default `alpha=1` from the paper (l uniform), on every batch as on ImageNet; it is positive.
    Deviation: on CIFAR the authors mix only every second batch; here there is one default.
    """

    name = "cutmix"
    summary = "paste a box of another image, targets weighted by area"
    needs = frozenset({"pixels"})
    version = "2"
    ranges = {"alpha": "(0, inf)"}

    alpha: float = 1.0

    def space(self) -> Space:
        """Alpha around 1, a uniform share."""
        return {"alpha": Real(0.2, 2.0, log=True)}

    def mix(self, batch: Batch, facts: Facts, generator: torch.Generator) -> Batch:
        """Return the pasted batch; `labels_B` are those of the background images."""
        height, width = batch.images_BCHW.shape[-2:]
        share = draw_beta(self.alpha, generator)
        partner_B = draw_partners(batch, generator)
        top, bottom, left, right = draw_box(height, width, share, generator)
        images_BCHW = batch.images_BCHW.clone()
        images_BCHW[:, :, top:bottom, left:right] = batch.images_BCHW[partner_B, :, top:bottom, left:right]
        kept = 1 - (bottom - top) * (right - left) / (height * width)
        y_BC = kept * batch.y_BC + (1 - kept) * batch.y_BC[partner_B]
        return Batch(images_BCHW, batch.labels_B, y_BC)
