"""The seam: what a strategy may do to a training, and nothing about how trainings are run.

A strategy is a small frozen dataclass that overrides the hooks it needs; every hook has a neutral default. Shapes are
suffixes: B batch, C classes, F features.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from strategies.context import Batch, Facts, Held, Outputs, Phase, Pipeline, Progress, Step, Text, Trained

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = [
    "TRAINING_HOOKS", "Batch", "Facts", "Held", "Outputs", "Phase", "Pipeline", "Progress", "Step", "Strategy",
    "StrategyError", "Text", "Trained",
]  # fmt: skip

TRAINING_HOOKS = (
    "phases", "class_weights_C", "sampling_C", "kept_C", "resample_rows", "resample_features", "augmentation",
    "second_C", "mix", "architecture", "classifier", "train_logits", "loss", "after_step", "after_training",
    "text",
)  # fmt: skip


class StrategyError(ValueError):
    """A strategy that is unknown, wrongly parametrised or cannot be combined; the message is one sentence."""


@dataclasses.dataclass(frozen=True)
class Strategy:
    """One way to counter imbalance. Subclass, decorate with `@register`, override hooks.

    Class variables: `name` as users type it; `summary` one line; `seats` that only one part of `a+b` may hold
    ("sampler", "mix", "loss", "classifier" are taken by overriding the hook; "prior", for whatever corrects logits by
    the class counts or a trained classifier for them, "retraining", "text", "architecture" and "augmentation" have to
    be declared); `needs` what the data must offer ("validation", "text"); `defers` the hooks that a schedule holds
    back: in a combination the other parts that override one act where the schedule does, whole, and it brings none of
    its own; `paper` the citation, where there is one;
    `version`: change it when the formula changes, because it is part of every job's key.
    """

    name: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    seats: ClassVar[frozenset[str]] = frozenset()
    needs: ClassVar[frozenset[str]] = frozenset()
    defers: ClassVar[frozenset[str]] = frozenset()
    version: ClassVar[str] = "1"

    def parts(self) -> tuple[Strategy, ...]:
        """The strategies joined in this one, in order; a plain strategy is its own only part."""
        return (self,)

    def acts_in(self, stage: int) -> bool:
        """Whether any hook acts in this stage; a strategy that skips stage 1 shares it with plain training."""
        return True

    def phases(self, epochs: int, facts: Facts) -> Sequence[Phase]:
        """Split a stage of `epochs` epochs into segments that cover 0..epochs without gaps."""
        return (Phase(0, epochs),)

    def class_weights_C(self, facts: Facts, progress: Progress) -> np.ndarray | None:
        """Loss weight per class, float64 [C], positive; None means all ones. Joined by multiplication."""
        return None

    def sampling_C(self, facts: Facts, progress: Progress) -> np.ndarray | None:
        """Probability with which each class is drawn, float64 [C], sum 1, 0 for empty classes.

        None means the data as it is: every sample once per epoch. Otherwise samples are drawn with replacement, as
        many as there are samples, uniformly within the class.
        """
        return None

    def kept_C(self, facts: Facts, progress: Progress) -> np.ndarray | None:
        """Samples of each class that may be drawn at all, int64 [C]; None means all of them.

        Which ones is drawn once per stage and seed, so that the others are never seen. The draws of an epoch stay as
        many as there are samples: from the kept ones by `sampling_C`, or each equally often where that is None.
        """
        return None

    def resample_rows(self, labels_N: np.ndarray, facts: Facts, seed: int) -> np.ndarray | None:
        """Return positions [M] of the N samples, some repeated or left out; None means the samples as they are.

        An epoch stays N draws, from these without replacement as long as they last. A function of its arguments.
        """
        return None

    def resample_features(
        self, features_NF: np.ndarray, labels_N: np.ndarray, facts: Facts, seed: int
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Return features [M, F] and labels [M] to train the classifier on, in a segment on features; None: as given.

        Called once per segment; an epoch stays N draws, as for `resample_rows`. A function of its arguments.
        """
        return None

    def augmentation(self, facts: Facts) -> Pipeline | None:
        """Extra augmentation for some classes; None for none."""
        return None

    def second_C(self, facts: Facts, progress: Progress) -> np.ndarray | None:
        """Probability per class, as in `sampling_C`, of a second batch, `batch.second` for `mix`; None for none."""
        return None

    def mix(self, batch: Batch, facts: Facts, generator: torch.Generator) -> Batch:
        """Mix samples of a batch (mixup and its kin); randomness only from `generator`. Not called on features."""
        return batch

    def architecture(self, network: nn.Module, facts: Facts) -> None:
        """Change a new network below its classifier, in place (several experts), before weights are carried over.

        Set its `feature_size` where that changes; torch's generator is seeded around the call.
        """

    def text(self) -> Text | None:
        """Say how product names enter the network; None: not at all."""
        return None

    def classifier(self, classifier: nn.Module, in_features: int, facts: Facts) -> nn.Module:
        """Return the classifier to use instead of `classifier`; torch's generator is seeded around the call."""
        return classifier

    def train_logits(self, outputs: Outputs, batch: Batch, step: Step) -> Tensor:
        """Return the logits [B, C] that the training loss sees (margins, priors)."""
        return outputs.logits_BC

    def loss(self, outputs: Outputs, batch: Batch, step: Step) -> Tensor | None:
        """Return the scalar loss on `outputs` (logits already through `train_logits`); None: weighted cross entropy.

        Honour `step.weights_C` as `common.weighted_mean` does. The recipe's label smoothing belongs to the cross
        entropy and is not applied to a loss of a strategy's own.
        """
        return None

    def after_step(self, network: nn.Module) -> None:
        """Change weights in place after an optimiser step (constraints)."""

    def after_training(self, network: nn.Module, facts: Facts, trained: Trained) -> None:
        """Change weights in place once, at the end of a stage."""

    def companions(self) -> tuple[str, ...]:
        """Return the strategies, as expressions, whose models of the same stage `predict` asks: `Outputs.companions`.

        They are trained plainly beside the cell's own, each job once for all the cells that need it.
        """
        return ()

    def predict(self, outputs: Outputs, facts: Facts) -> Tensor:
        """Return the logits [N, C] that are scored, from stored outputs; costs no training."""
        return outputs.logits_BC

    def report(self, outputs: Outputs, labels_N: np.ndarray, facts: Facts) -> dict[str, Any]:
        """Return what the record shall hold of a stage beside its scores, JSON values under the strategy's name.

        `outputs` are those that `predict` got for the test rows, `labels_N` their labels, int64 [N].
        """
        return {}

    def trains_differently(self) -> bool:
        """Whether any hook that acts during training is overridden; if not, the cell shares plain training's jobs."""
        return any(getattr(type(self), hook) is not getattr(Strategy, hook) for hook in TRAINING_HOOKS)

    def acting(self, stage: int, phase: Phase) -> Strategy:
        """Return the strategy whose training hooks to call in this segment of this stage.

        `Strategy()`, all neutral, where training is plain; a combination leaves out the parts that do not act.
        """
        return self if phase.active and self.acts_in(stage) and self.trains_differently() else Strategy()

    def training_identity(self, stage: int, phase: Phase) -> str:
        """Return the `identity` of what acts during training in this segment, for the job's key; "" when plain."""
        return self.acting(stage, phase).identity()

    def identity(self) -> str:
        """Return the text that spells out defaults and versions, so that changing one changes the keys made of it."""
        parts = [part for part in self.parts() if part.name]
        values = [",".join(f"{name}={_text(value)}" for name, value in part.parameters().items()) for part in parts]
        return "+".join(f"{part.name}@{part.version}({text})" for part, text in zip(parts, values, strict=True))

    def parameters(self) -> dict[str, Any]:
        """The dataclass fields and their values."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    def __str__(self) -> str:
        """The canonical text: `name` or `name(parameter=value)`, parameters at their default left out."""
        changed = [
            f"{f.name.replace('_', '-')}={_text(getattr(self, f.name))}"
            for f in dataclasses.fields(self)
            if getattr(self, f.name) != f.default
        ]
        return f"{self.name}({','.join(changed)})" if changed else self.name


def _text(value: Any) -> str:
    """Write a parameter's value as users type it."""
    if isinstance(value, str):  # bare where it can be nothing else, else as a JSON string
        return value if re.fullmatch(r"[A-Za-z_][\w./:-]*", value, re.ASCII) else json.dumps(value)
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
