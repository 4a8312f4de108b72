"""Context-rich minority oversampling: boxes of rare classes' images pasted into images drawn from the data."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from strategies.base import Batch, Facts, Phase, Progress, Strategy, StrategyError
from strategies.common import positive_counts
from strategies.mixing.cutmix import draw_box
from strategies.mixing.mixup import draw_beta
from strategies.registry import register
from strategies.space import Real, Space

if TYPE_CHECKING:
    import torch


@register
@dataclasses.dataclass(frozen=True)
class Cmo(Strategy):
    """CutMix whose pasted boxes come from a second batch, drawn with q_c ~ 1 / n_c^power: x' = M x_b + (1 - M) x_f.

    Park, Hong, Heo, Yun, Choi, "The Majority Can Help the Minority: Context-rich Minority Oversampling for Long-tailed
    Classification", CVPR 2022, arXiv:2112.00412, section 3.2, algorithm 1: the background x_b is drawn from the
    original data, the foreground x_f from the minority-weighted distribution; y' = l y_b + (1 - l) y_f, l ~ Beta(alpha,
    alpha), corrected for the part of the box outside of the image. Boxes are pasted in `share` of the batches.

    Defaults: `power=1` from the paper (inverse class frequency), `alpha=1`; from the official code for CIFAR100-LT
    `share=0.5`, and pasting from epoch 4 to epoch 196 of 200, hence `start=0.02` and `end=0.985` of the stage's epochs,
    rounded to the nearest, at least one epoch. `power` is at least 0, `share` is in (0, 1], 0 <= start < end <= 1.
    Deviations: none from the paper. The official code gives each sample, not each class, the weight 1 / n_c, which
    draws classes equally: `power=0` here. A class without samples is never drawn.
    """

    name = "cmo"
    summary = "paste boxes of images of rare classes into other images, targets weighted by area"
    needs = frozenset({"pixels"})
    version = "2"
    ranges = {"power": "[0, inf)", "alpha": "(0, inf)", "share": "(0, 1]", "start": "[0, 1)", "end": "(0, 1]"}

    power: float = 1.0
    alpha: float = 1.0
    share: float = 0.5
    start: float = 0.02
    end: float = 0.985

    def space(self) -> Space:
        """Power as in the paper's ablation, 1/2 to 2; the share of batches around one half."""
        return {"power": Real(0.5, 2.0), "share": Real(0.2, 0.8)}

    def __post_init__(self) -> None:
        """Refuse parameters out of range, and an end that is not after the start."""
        super().__post_init__()
        if self.start >= self.end:
            raise StrategyError(f"cmo: start must be below end, got start {self.start} and end {self.end}.")

    def phases(self, epochs: int, facts: Facts) -> Sequence[Phase]:
        """Plain, then pasted, then plain."""
        begins = min(round(self.start * epochs), epochs - 1)
        ends = max(round(self.end * epochs), begins + 1)
        spans = [(0, begins, False), (begins, ends, True), (ends, epochs, False)]
        return tuple(Phase(first, last, active=active) for first, last, active in spans if first < last)

    def second_C(self, facts: Facts, progress: Progress) -> np.ndarray:
        """Return q_C, float64, sum 1."""
        # relative to the rarest, because a power of a large count underflows
        counts_C = positive_counts(facts)
        weight_C = np.where(facts.counts > 0, (counts_C / counts_C[facts.counts > 0].min()) ** -self.power, 0.0)
        return weight_C / weight_C.sum()

    def mix(self, batch: Batch, facts: Facts, generator: torch.Generator) -> Batch:
        """Return the pasted batch; `labels_B` are those of the backgrounds."""
        import torch

        second = batch.second
        if second is None or float(torch.rand((), generator=generator)) >= self.share:
            return batch
        height, width = batch.images_BCHW.shape[-2:]
        top, bottom, left, right = draw_box(height, width, draw_beta(self.alpha, generator), generator)
        images_BCHW = batch.images_BCHW.clone()
        images_BCHW[:, :, top:bottom, left:right] = second.images_BCHW[:, :, top:bottom, left:right]
        kept = 1 - (bottom - top) * (right - left) / (height * width)
        return Batch(images_BCHW, batch.labels_B, kept * batch.y_BC + (1 - kept) * second.y_BC)
