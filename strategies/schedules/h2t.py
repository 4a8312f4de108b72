"""Head-to-tail fusion: train the classifier further, with some feature channels taken from ordinary draws."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from strategies.base import Batch, Facts, Progress
from strategies.common import queued
from strategies.registry import register
from strategies.schedules.common import Retraining
from strategies.space import Real, Space
from strategies.study.oversample import Oversample

if TYPE_CHECKING:
    import torch


@register
@dataclasses.dataclass(frozen=True)
class HeadToTail(Retraining):
    """Train plainly up to `start` of the stage's epochs, then only the classifier, on fused features.

    Li, Hu, Lu, Lan, Cheung, Huang, "Feature Fusion from Head to Tail for Long-Tailed Visual Recognition", AAAI 2024,
    arXiv:2306.06963: every class is drawn equally often, and in each step `share` of the channels, drawn at random, are
    replaced by those of a second batch, which is drawn from the data as they are; the targets are the first batch's.
    Rare classes, which are mostly paired with frequent ones, thus become more diverse. The paper replaces
    channels of the map below the pooling, which for a mean over positions is the same as replacing pooled features.

    Defaults: `share=0.3` from the official code's function (Keke921/H2T; its CIFAR100-LT configuration has 0.25) and
    `start=0.95` from that configuration's 10 epochs after 200. `share` is in [0, 1], `start` in [0, 1) and rounded to
    the nearest epoch, at least one epoch of classifier; the number of channels is rounded down.
    Deviations: the first part is plain training, where that configuration has mixup; batch-norm statistics are fixed,
    where it lets them move (see *Frozen networks* in `strategies/FIDELITY.md`); the second part has the recipe's
    learning rate with a schedule of its own, where it has a fifth; both parts share the stage's epochs.
    """

    name = "h2t"
    summary = "train the classifier further on balanced draws, a part of whose features come from ordinary ones"
    new_classifier = False
    ranges = {"share": "[0, 1]"}

    start: float = 0.95
    share: float = 0.3

    def space(self) -> Space:
        """The last fifth to the last fiftieth of the epochs; a few channels to most of them."""
        return {"start": Real(0.8, 0.98), "share": Real(0.05, 0.6)}

    def sampling_C(self, facts: Facts, progress: Progress) -> np.ndarray:
        """Return p_C of the first batch, float64, sum 1."""
        return Oversample().sampling_C(facts, progress)

    def second_C(self, facts: Facts, progress: Progress) -> np.ndarray:
        """Return p_C of the second batch, n_c / N, float64, sum 1."""
        return facts.counts / facts.counts.sum()

    def mix_features(self, batch: Batch, facts: Facts, generator: torch.Generator) -> Batch:
        """Return the batch with the fused features."""
        import torch

        features_BF, second = batch.features_BF, batch.second
        assert features_BF is not None and second is not None and second.features_BF is not None
        size = features_BF.shape[1]
        taken_F = torch.randperm(size, generator=generator) < int(self.share * size)
        return dataclasses.replace(
            batch, features_BF=torch.where(queued(taken_F, features_BF), second.features_BF, features_BF)
        )
