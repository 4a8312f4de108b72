"""What a strategy is told and what it answers with: facts, progress, batches, outputs, phases.

Shapes are suffixes: N rows, B batch, C classes, F features. Strategies import these names from `strategies.base`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a strategy may know about the stage it acts in. Frozen.

    `counts_C`: training samples per class (validation rows not counted), at least 0.
    `class_names`: C names. `stage`: 1 or 2 (1 in a joint protocol).
    `validation_accuracy_C`: top-1 per class in [0, 1], NaN for a class with no validation row; None until measured.
    """

    counts_C: tuple[int, ...]
    class_names: tuple[str, ...]
    stage: int = 1
    validation_accuracy_C: tuple[float, ...] | None = None

    @property
    def num_classes(self) -> int:
        """The number of classes C."""
        return len(self.counts_C)

    @property
    def counts(self) -> np.ndarray:
        """`counts_C` as a new float64 array [C]."""
        return np.asarray(self.counts_C, dtype=np.float64)


@dataclasses.dataclass(frozen=True)
class Progress:
    """Where a stage's training stands: `epoch` counts from 0 over the whole stage, `epochs` is the stage's total."""

    epoch: int
    epochs: int

    @property
    def fraction(self) -> float:
        """Epochs done over all epochs, in [0, 1)."""
        return self.epoch / self.epochs


@dataclasses.dataclass(frozen=True)
class Phase:
    """A segment of a stage, in epochs counted from the stage's start.

    `trains`: "all", or the name of the module or parameter that alone is trained, such as "classifier" (the rest is
    frozen, batch-norm buffers included). `new_classifier`: start it afresh. `rate_over`: the epochs (first, end) over
    which the learning rate runs its course, for segments that start it again; None: the whole stage.
    `weight_decay`: instead of the recipe's. `moving_statistics`: the batch-norm statistics of what is frozen go on
    moving with the batches that pass. `on`: "images", or "features": only the classifier sees batches then, of features
    that the network below, as the segment begins, gives for the training rows without augmentation, resampled by
    `resample_features`; give `trains="classifier"` with it.
    `active`: whether the strategy's own training hooks act in this segment; where they do not, it is plain training
    and shared with it. `acting`: in a combination, the names of the parts whose training hooks act (None: all).
    A segment may be empty (`start == end`): it then only runs `after_training`, on a network it shares; with
    `trains="classifier"` it promises that it changes no more than that, and the next stage is shared too.
    """

    start: int
    end: int
    trains: str = "all"
    new_classifier: bool = False
    active: bool = True
    acting: tuple[str, ...] | None = None
    rate_over: tuple[int, int] | None = None
    weight_decay: float | None = None
    moving_statistics: bool = False
    on: Literal["images", "features"] = "images"


@dataclasses.dataclass(frozen=True)
class Text:
    """How product names enter a network (see `Strategy.text`).

    `mask_class_words`: without the words of all class names. `images`: beside the image; False: alone, and no image is
    made. What reads the names is trained by AdamW with the peak `learning_rate` (its course is the recipe's) and
    `weight_decay`. Chosen on fashion-small's validation rows, as `strategies/FIDELITY.md` says.
    """

    mask_class_words: bool = False
    images: bool = True
    learning_rate: float = 0.002
    weight_decay: float = 0.01


@dataclasses.dataclass
class Batch:
    """One training batch: `images_BCHW` float, `labels_B` int64, `y_BC` soft targets (rows sum to 1).

    `features_BF` stands in for the images, which are empty then, in a segment on features. `second`: as many samples
    drawn by `second_C`, for `mix` alone to use.
    `tokens_BT`: the names as numbers of the stage's vocabulary, 0 padding; None where the network reads none.
    """

    images_BCHW: Tensor
    labels_B: Tensor
    y_BC: Tensor
    features_BF: Tensor | None = None
    second: Batch | None = None
    tokens_BT: Tensor | None = None


@dataclasses.dataclass
class Outputs:
    """What a network gives: `logits_BC` float32, `features_BF` pooled; `extra` for classifiers that give more.

    For `predict`, logits and extra are stored, and the features are not: they are empty there, [N, 0].
    Only for `predict` and `report` of a strategy with companions: `companions`, what those give for the same rows, and
    `held`, what all of them give for the stage's validation rows (None where there are none).
    """

    logits_BC: Tensor
    features_BF: Tensor
    extra: Mapping[str, Tensor] = dataclasses.field(default_factory=dict)
    companions: tuple[Outputs, ...] = ()
    held: Held | None = None


@dataclasses.dataclass(frozen=True)
class Step:
    """What `train_logits` and `loss` may know of the optimiser step that they act in, beside its outputs and batch.

    `weights_C`: the joined class weights, float32 and scaled to mean 1, all ones where there are none.
    `generator`: the only source of randomness, on the CPU.
    """

    facts: Facts
    progress: Progress
    weights_C: Tensor
    generator: torch.Generator


@dataclasses.dataclass(frozen=True)
class Held:
    """Outputs for a stage's validation rows, and their labels, int64 [N]."""

    outputs: Outputs
    labels_N: np.ndarray


@dataclasses.dataclass(frozen=True)
class Trained:
    """What `after_training` may ask of the network that was trained.

    `accuracy_C()`: top-1 per class on validation of the network as it then stands, NaN for a class without rows.
    `features()`: features [N, F] float32 and labels [N] int64 of the stage's training rows, in evaluation mode and
    without augmentation; computed when first asked for.
    """

    accuracy_C: Callable[[], Sequence[float]]
    features: Callable[[], tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """Extra augmentation for some classes: `strength_C` in [0, 1] per class; 0 leaves the class alone.

    The runner turns a strength into an Albumentations pipeline (see `benchmarks/training/augment.py`) and applies it
    to `share` of the draws, in (0, 1]: a class that is never seen unchanged would not be recognised unchanged.
    """

    strength_C: tuple[float, ...]
    share: float = 1.0
