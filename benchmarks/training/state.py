"""The state of a training in progress. M samples after resampling, F features."""

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
from benchmarks.training.batching.batches import Batches
from benchmarks.training.gpu.cuda_graphs import Graphs
from benchmarks.training.predict import RowFeatures
from strategies.base import Facts, Strategy


class TrainingError(Exception):
    """A training that cannot continue; the message is one sentence."""


@dataclasses.dataclass
class Epoch:
    """Outcome of an epoch: mean `loss`, `accuracy` on its batches, `seconds`, last `learning_rate`, number of `images`.

    `accuracy`: share of samples, as drawn and augmented, whose highest logit is that of their label.
    """

    epoch: int
    loss: float
    accuracy: float
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
    """A training in progress: what a checkpoint holds, and what is needed to continue.

    `step`, `loss_sum`, `hits`: steps done in the current epoch, the summed loss of their samples, and how many of these
    had their highest logit at their label. `pieces`: micro-batches per batch. `after_seconds`: duration of
    `Strategy.after_training`. `validation`: features of the validation rows, kept if training does not change them.
    `graphs`: CUDA graphs that run the network in training steps.
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
    validation: RowFeatures | None = None
    step: int = 0
    loss_sum: float | Tensor = 0.0
    hits: int | Tensor = 0
    pieces: int = 1
    after_seconds: float = 0.0
    graphs: Graphs | None = None
