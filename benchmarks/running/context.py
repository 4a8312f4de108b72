"""What all jobs of a run share."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

import numpy as np
import torch

from backbones.probe import Choice
from backbones.registry import parse
from backbones.weights import FirstWeights
from benchmarks.data.base import Loaded
from benchmarks.planning.stages import Stage
from benchmarks.planning.store import Store
from benchmarks.suites.suite import Suite
from benchmarks.training.batching.feature_batches import AugmentedFeatures
from benchmarks.training.batching.on_device import copy_to, fits
from strategies.base import Pipeline


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class RunContext:
    """What all jobs of a run share: the data, the suite, the device and the store.

    `first_weights`: the file of initial weights by backbone; backbones with random ones are left out.
    `checkpoint_seconds`: time between checkpoints within an epoch; None: `job_state.CHECKPOINT_SECONDS`.
    `jobs`: how many run in parallel on this machine.
    `variants`: other suites by name, whose recipes differ from the suite's in how a network is optimised.
    If the recipe trains only the classifier, `features`: float32 [V, N, F] by backbone, views of all rows;
    `augmented`: those of the rows that a strategy augments, by backbone, stage and pipeline.
    """

    loaded: Loaded
    suite: Suite
    stages: tuple[Stage, ...]
    choices: Mapping[str, Choice]
    device: torch.device
    first_weights: Mapping[str, FirstWeights] = dataclasses.field(default_factory=dict)
    store: Store
    checkpoint_seconds: float | None = None
    features: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    augmented: Mapping[tuple[str, int, Pipeline], AugmentedFeatures | None] = dataclasses.field(default_factory=dict)
    variants: Mapping[str, Suite] = dataclasses.field(default_factory=dict)
    jobs: int = 1

    def suite_of(self, variant: str) -> Suite:
        """Return the suite of a job or cell with this `variant`."""
        return self.variants[variant] if variant else self.suite

    def features_VNF(self, backbone: str) -> np.ndarray:
        """Return the stored features of a backbone, float32 [V, N, F]; they do not depend on its classifier."""
        return self.features[parse(backbone).backbone.name]

    def augmented_features(self, backbone: str, stage: int, pipeline: Pipeline) -> AugmentedFeatures | None:
        """Return the stored features of a strategy's augmented views in a stage; None if it augments no row."""
        return self.augmented[parse(backbone).backbone.name, stage, pipeline]

    def stage(self, number: int) -> Stage:
        """Return the stage of that number."""
        return next(stage for stage in self.stages if stage.data.stage == number)

    @functools.cached_property
    def resident_NHWC(self) -> torch.Tensor | None:
        """All images on the accelerator, uint8 [N, S, S, 3], copied there once; None if they stay in memory."""
        images_NHWC = self.loaded.images_NHWC
        return copy_to(images_NHWC, self.device) if fits(images_NHWC, self.device) else None

    @property
    def resident_bytes(self) -> int:
        """Bytes of the images on the accelerator, so far."""
        held = self.__dict__.get("resident_NHWC")  # asking for the property would copy them
        return 0 if held is None else held.nbytes
