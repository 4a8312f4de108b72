"""A training in progress, and what it keeps of its epochs. M samples after resampling, F features."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor

from backbones.network import Network
from backbones.probe import Choice
from benchmarks.planning.plan import Job
from benchmarks.planning.stages import Stage
from benchmarks.suites.suite import Recipe
from benchmarks.training.batches import Batches
from strategies.base import Facts, Strategy


class TrainingError(Exception):
    """A training that cannot go on; the message is one sentence."""


@dataclasses.dataclass
class Epoch:
    """What one epoch gave: mean `loss`, `seconds` of training, the `learning_rate` at its end, `images` trained."""

    epoch: int
    loss: float
    seconds: float
    learning_rate: float
    images: int


@dataclasses.dataclass(frozen=True, eq=False)
class StoredFeatures:
    """What a segment on features trains on: `features_MF` on the device and `labels_M`, M samples after resampling."""

    features_MF: Tensor
    labels_M: np.ndarray


@dataclasses.dataclass
class Training:
    """A training in progress: everything that a checkpoint holds, and what is needed to go on.

    `step` and `loss_sum` say how far the epoch at work is; `pieces`: into how many a batch is cut to fit the memory;
    `after_seconds`: what `Strategy.after_training` took.
    """

    job: Job
    stage: Stage
    strategy: Strategy
    recipe: Recipe
    choice: Choice
    network: Network
    batcher: Batches
    facts: Facts
    optimizer: torch.optim.Optimizer
    epoch: int
    history: list[Epoch] = dataclasses.field(default_factory=list)
    stored: StoredFeatures | None = None
    step: int = 0
    loss_sum: float | Tensor = 0.0
    pieces: int = 1
    after_seconds: float = 0.0
