"""What a strategy gets and returns: facts, progress, batches, outputs, phases.

Shapes are suffixes: N rows, B batch, C classes, F features. Strategies import these names from `strategies.base`.
"""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


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
    """How far a stage's training is: `epoch` counts from 0 over the whole stage, `epochs` is the stage's total."""

    epoch: int
    epochs: int

    @property
    def fraction(self) -> float:
        """Epochs done over all epochs, in [0, 1)."""
        return self.epoch / self.epochs


@dataclasses.dataclass(frozen=True)
class Phase:
    """A segment of a stage, in epochs counted from the stage's start.

    `trains`: "all", or which modules and parameters are trained (the rest is frozen, including batch-norm buffers): a
    name such as "classifier", or a pattern of `fnmatch` over names, such as "classifier.align_*". `new_classifier`:
    initialise it again. `rate_over`: the epochs (first, end) of the learning rate's schedule, for segments that restart
    it; None: the whole stage. `weight_decay`: replaces the recipe's. `moving_statistics`: frozen batch-norm layers
    still update their running statistics.
    `on`: "images", or "features": the classifier is trained on stored features, which the network below gives at the
    start of the segment for the unaugmented training rows, resampled by `resample_features`; it needs
    `trains="classifier"`.
    `active`: whether the strategy's own training hooks act in this segment; if not, it is plain training and shared
    with it. `acting`: in a combination, the names of the parts whose training hooks act (None: all).
    A segment may be empty (`start == end`): it then only runs `after_training`, on a network it shares; with
    `trains="classifier"` it promises that it changes only the classifier, and the next stage is shared too.
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

    def covers(self, name: str) -> bool:
        """Whether the module or parameter of this name, or one that it is part of, is trained."""
        parts = name.split(".")
        wholes = (".".join(parts[: end + 1]) for end in range(len(parts)))
        return self.trains == "all" or any(fnmatch.fnmatchcase(whole, self.trains) for whole in wholes)


@dataclasses.dataclass(frozen=True)
class Text:
    """How product names enter a network (see `Strategy.text`).

    `mask_class_words`: remove the words of all class names. `images`: names and image together; False: names alone, and
    no image is loaded. The text encoder is trained by AdamW with the peak `learning_rate` (the recipe sets its
    schedule) and `weight_decay`. Both were chosen on fashion-small's validation rows; see `strategies/FIDELITY.md`.
    """

    mask_class_words: bool = False
    images: bool = True
    learning_rate: float = 0.002
    weight_decay: float = 0.01


@dataclasses.dataclass
class Batch:
    """One training batch: `images_BCHW` float, `labels_B` int64, `y_BC` soft targets (rows sum to 1).

    `features_BF` replaces the images, which are empty then, in a segment on features. `second`: as many samples drawn
    by `second_C`, used by `mix` and `mix_features` only. `tokens_BT`: the names as token ids, 0 is padding; None if the
    network reads no names. `views`: the same rows drawn again, a batch for each further draw that `Strategy.views` asks
    for; in a segment on features, the same features.
    """

    images_BCHW: Tensor
    labels_B: Tensor
    y_BC: Tensor
    features_BF: Tensor | None = None
    second: Batch | None = None
    tokens_BT: Tensor | None = None
    views: tuple[Batch, ...] = ()


@dataclasses.dataclass
class Outputs:
    """What a network returns: `logits_BC` float32, pooled `features_BF`, and `extra` for classifiers that return more.

    `views`: in training, what it returns for each of the batch's `views`.
    For `predict`, logits and extra are stored and the features are not: they are empty, [N, 0].
    For `predict` and `report` of a strategy with companions: `companions`, their outputs for the same rows, and `held`,
    all outputs for the stage's validation rows (None if there are none).
    """

    logits_BC: Tensor
    features_BF: Tensor
    extra: Mapping[str, Tensor] = dataclasses.field(default_factory=dict)
    companions: tuple[Outputs, ...] = ()
    held: Held | None = None
    views: tuple[Outputs, ...] = ()


@dataclasses.dataclass(frozen=True)
class Step:
    """The current optimiser step as seen by `train_logits` and `loss`, in addition to its outputs and batch.

    `weights_C`: the joined class weights, float32, scaled to mean 1; all ones if there are none.
    `generator`: the only source of randomness, on the CPU. `constants`: the cache of `constant`, shared by the steps
    of an epoch. `network`: the network in training, for a loss that reads a strategy's own layers or buffers; only
    `after_step` may change them. None only in a step that was created by hand.
    """

    facts: Facts
    progress: Progress
    weights_C: Tensor
    generator: torch.Generator
    constants: dict[tuple[object, ...], Tensor] = dataclasses.field(default_factory=dict, repr=False)
    network: nn.Module | None = dataclasses.field(default=None, repr=False)

    def constant(self, values: np.ndarray, like: Tensor) -> Tensor:
        """Return the small array as a tensor with the data type and device of `like`.

        Equal arrays are copied once an epoch: a GPU does not wait for a copy in every step. Do not change the result in
        place.
        """
        key = (values.tobytes(), values.shape, values.dtype.str, like.dtype, like.device)
        if key not in self.constants:
            self.constants[key] = like.new_tensor(values)
        return self.constants[key]


@dataclasses.dataclass(frozen=True)
class Held:
    """Outputs for a stage's validation rows, and their labels, int64 [N]."""

    outputs: Outputs
    labels_N: np.ndarray


@dataclasses.dataclass(frozen=True)
class Trained:
    """What `after_training` may ask of the trained network.

    `accuracy_C()`: top-1 per class on validation for the network's current weights, NaN for a class without rows; after
    a phase that trains the classifier alone (an empty one too), only the classifier is run again.
    `features()`: features [N, F] float32 and labels [N] int64 of the stage's training rows, in evaluation mode and
    without augmentation; computed on the first call.
    """

    accuracy_C: Callable[[], Sequence[float]]
    features: Callable[[], tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """Extra augmentation for some classes: `strength_C` in [0, 1] per class; 0 leaves the class unchanged.

    `benchmarks/training/batching/augment.py` turns a strength into an Albumentations pipeline and applies it to `share`
    of the draws, in (0, 1]: a class must also be seen without augmentation to be recognised without it.
    """

    strength_C: tuple[float, ...]
    share: float = 1.0
