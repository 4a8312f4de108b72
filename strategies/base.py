"""The strategy interface: what a strategy may change about training, independent of how training is run.

A strategy is a small frozen dataclass that overrides the hooks it needs; every hook has a neutral default. Shapes are
suffixes: B batch, C classes, F features.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from strategies.context import Batch, Facts, Held, Outputs, Phase, Pipeline, Progress, Step, Text, Trained
from strategies.ranges import problem
from strategies.space import Space

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = [
    "TRAINING_HOOKS", "Batch", "Facts", "Held", "Outputs", "Phase", "Pipeline", "Progress", "Step", "Strategy",
    "StrategyError", "Text", "Trained",
]  # fmt: skip

TRAINING_HOOKS = (
    "phases", "class_weights_C", "sampling_C", "kept_C", "resample_rows", "resample_features", "augmentation",
    "views", "second_C", "mix", "mix_features", "architecture", "classifier", "attach", "before_training",
    "rates", "train_logits", "loss", "ascend", "ascent_C", "after_step", "after_epoch", "after_training", "text",
)  # fmt: skip


class StrategyError(ValueError):
    """A strategy is unknown, has a wrong parameter or cannot be combined; the message is one sentence."""


@dataclasses.dataclass(frozen=True)
class Strategy:
    """One way to counter imbalance. Subclass, decorate with `@register`, override hooks.

    Class variables: `name` as users type it. `summary`: one line.
    `seats`: what only one part of `a+b` may hold. Overriding a hook takes "sampler", "mix", "loss", "ascent",
    "architecture" or "classifier"; the others are declared: "prior" (corrects logits, or a trained classifier, by the
    class counts), "retraining", "text", "augmentation"; networks that read names declare "architecture".
    `needs`: what the run must offer ("validation", "text", "pixels": images that change in every epoch, which stored
    features do not), and the network ("transformer": blocks with attention, "batch-norm").
    `defers`: hooks this schedule postpones; in `a+b` the other part's versions run in its phase.
    `new_classifier`: its last phase trains a classifier from scratch; in `a+b`, a part that corrects for the class
    counts in its loss acts only before that phase.
    `joined_in_paper`: hooks of other parts that its paper combines it with although both correct for the class counts.
    `transductive`: its `predict` uses the class distribution of the test rows, which it estimates from their outputs.
    `version`: raise it when the formula changes; it is part of every job's key.
    `ranges`: the values that numeric parameters may have, as intervals: `{"gamma": "[0, inf)", "beta": "(0, 1)"}`.
    Base classes' ranges apply too. NaN and infinities are refused, and so are values that a `Literal` does not have.
    """

    name: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    seats: ClassVar[frozenset[str]] = frozenset()
    needs: ClassVar[frozenset[str]] = frozenset()
    defers: ClassVar[frozenset[str]] = frozenset()
    new_classifier: ClassVar[bool] = False
    joined_in_paper: ClassVar[frozenset[str]] = frozenset()
    transductive: ClassVar[bool] = False
    version: ClassVar[str] = "1"
    ranges: ClassVar[Mapping[str, str]] = {}

    def __post_init__(self) -> None:
        """Raise `StrategyError` for a parameter that is not in its range, or not one of its `Literal`'s choices.

        Override it for relations between parameters, and call `super().__post_init__()` first.
        """
        if refused := problem(self):
            raise StrategyError(refused)

    def parts(self) -> tuple[Strategy, ...]:
        """The strategies joined in this one, in order; a plain strategy is its only part."""
        return (self,)

    def phases(self, epochs: int, facts: Facts) -> Sequence[Phase]:
        """Split a stage of `epochs` epochs into segments that cover 0..epochs without gaps.

        A strategy that skips a stage (`facts.stage`) gives one inactive phase there, which plain training shares.
        """
        return (Phase(0, epochs),)

    def class_weights_C(self, facts: Facts, progress: Progress) -> np.ndarray | None:
        """Loss weight per class, float64 [C], positive; None: all ones. The parts of a combination are multiplied."""
        return None

    def sampling_C(self, facts: Facts, progress: Progress) -> np.ndarray | None:
        """Probability with which each class is drawn, float64 [C], sum 1, 0 for empty classes.

        None: the data as they are, every sample once per epoch. Otherwise samples are drawn with replacement, uniformly
        within the class, as many as the stage has samples.
        """
        return None

    def kept_C(self, facts: Facts, progress: Progress) -> np.ndarray | None:
        """How many samples of each class may be drawn, int64 [C]; None: all of them.

        They are chosen once per stage and seed; the rest is never seen. An epoch still has as many draws as the stage
        has samples: by `sampling_C`, or each kept sample equally often if that is None.
        """
        return None

    def resample_rows(self, labels_N: np.ndarray, facts: Facts, seed: int) -> np.ndarray | None:
        """Return positions [M] of the N samples, some repeated or left out; None: the samples as they are.

        An epoch is still N draws, from these, without replacement as long as they last. Must be deterministic.
        """
        return None

    def resample_features(
        self, features_NF: np.ndarray, labels_N: np.ndarray, facts: Facts, seed: int
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Return features [M, F] and labels [M] for training the classifier in a segment on features; None: as given.

        Called once per segment; an epoch is still N draws, as for `resample_rows`. Must be deterministic.
        """
        return None

    def augmentation(self, facts: Facts) -> Pipeline | None:
        """Extra augmentation for some classes; None for none."""
        return None

    def views(self) -> int:
        """How often each row of a batch is drawn, at least 1; the draws differ in their augmentation.

        `mix` and `loss` find those after the first in `Batch.views` and `Outputs.views`. In a combination, the largest.
        """
        return 1

    def second_C(self, facts: Facts, progress: Progress) -> np.ndarray | None:
        """Class probabilities, as in `sampling_C`, of a second batch, `batch.second`; None: no such batch.

        It is there for `mix` and, with its features, for `mix_features`. There is none in a segment on features.
        """
        return None

    def mix(self, batch: Batch, facts: Facts, generator: torch.Generator) -> Batch:
        """Mix samples of a batch, with randomness only from `generator`. Not called in segments on features.

        The batch's `views` are kept if the returned batch has none.
        """
        return batch

    def mix_features(self, batch: Batch, facts: Facts, generator: torch.Generator) -> Batch:
        """Mix the pooled features of a batch, `batch.features_BF`, before the classifier sees them.

        As `mix`, but with gradients, and also in segments on features. The classifier then gets the features returned,
        and the loss the targets. A second batch has features too, `batch.second.features_BF`; those of `views` stay.
        """
        return batch

    def architecture(self, network: nn.Module, facts: Facts) -> None:
        """Change a new network below its classifier, in place (several experts), before weights are carried over.

        Set its `feature_size` if that changes. torch's generator is seeded around the call.
        """

    def text(self) -> Text | None:
        """Say how product names enter the network; None: they do not."""
        return None

    def classifier(self, classifier: nn.Module, in_features: int, facts: Facts) -> nn.Module:
        """Return the classifier to use instead of `classifier`; torch's generator is seeded around the call."""
        return classifier

    def attach(self, network: nn.Module, facts: Facts) -> None:
        """Add buffers or modules to a complete network, in place: they are saved with its state and not trained.

        Called at the start of every job, before a stored state is loaded. torch's generator is seeded around the call.
        """

    def before_training(self, network: nn.Module, facts: Facts, trained: Trained) -> None:
        """Change weights in place once, before a stage's first step, if the strategy acts in the first segment.

        `trained` gives features and validation accuracy of the initial network.
        """

    def rates(self) -> Mapping[str, float]:
        """Positive learning-rate factors by pattern of parameter names (`encoder.*`); the first match counts.

        Parameters that match no pattern keep the schedule's rate. In a combination, earlier parts' patterns come first.
        """
        return {}

    def train_logits(self, outputs: Outputs, batch: Batch, step: Step) -> Tensor:
        """Return the logits [B, C] that the training loss sees (margins, priors)."""
        return outputs.logits_BC

    def loss(self, outputs: Outputs, batch: Batch, step: Step) -> Tensor | None:
        """Return the scalar loss on `outputs` (logits already through `train_logits`); None: weighted cross entropy.

        Honour `step.weights_C` as `common.weighted_mean` does. The recipe's label smoothing applies to the
        default cross entropy only, not to a strategy's own loss.
        """
        return None

    def ascend(self, network: nn.Module) -> Callable[[], None] | None:
        """Move the weights, using their gradients, to where the step's gradients are to be taken; None: do not move.

        Return a function that moves them back. The gradients are then computed again on the same batch, with the same
        random numbers, and batch-norm statistics are those of the first pass.
        """
        return None

    def ascent_C(self, facts: Facts) -> np.ndarray | None:
        """Return the classes whose gradient is taken at the point that `ascend` moves to, bool [C]; None: all.

        `ascend` then sees the gradient of their rows only, and the step uses their gradient at the moved weights plus
        the other rows' gradient at the original ones. A mixed sample counts as the class with the largest share.
        """
        return None

    def after_step(self, network: nn.Module, outputs: Outputs, batch: Batch, step: Step) -> None:
        """Change weights or buffers in place after an optimiser step (constraints, running statistics).

        `outputs` are those that the step's gradients came from, of the whole batch, detached, with the logits that
        `train_logits` got. State belongs in buffers of the network, which are saved with it.
        """

    def after_epoch(self, network: nn.Module, facts: Facts, trained: Trained) -> None:
        """Change weights or buffers in place at the end of every epoch, after its last step."""

    def after_training(self, network: nn.Module, facts: Facts, trained: Trained) -> None:
        """Change weights in place once, at the end of a stage."""

    def companions(self) -> tuple[str, ...]:
        """Return the strategies, as expressions, whose models of the same stage `predict` uses (`Outputs.companions`).

        They are trained as ordinary jobs, each once for all the cells that need it.
        """
        return ()

    def predict(self, outputs: Outputs, facts: Facts) -> Tensor:
        """Return the logits [N, C] that are scored, from stored outputs; needs no training."""
        return outputs.logits_BC

    def report(self, outputs: Outputs, labels_N: np.ndarray, facts: Facts) -> dict[str, Any]:
        """Return what to add to a stage's record besides scores: JSON values under the strategy's name.

        `outputs` are those that `predict` got for the test rows, `labels_N` their labels, int64 [N].
        """
        return {}

    def space(self) -> Space:
        """Return where `tune` searches parameters, by field name; each combination must be valid (see `space.py`)."""
        return {}

    def trains_differently(self) -> bool:
        """Whether a training hook is overridden; if not, the cell shares the jobs of plain training."""
        return any(getattr(type(self), hook) is not getattr(Strategy, hook) for hook in TRAINING_HOOKS)

    def acting(self, phase: Phase) -> Strategy:
        """Return the strategy whose training hooks to call in this segment.

        `Strategy()`, all neutral, if training is plain; a combination leaves out the parts that do not act.
        """
        return self if phase.active and self.trains_differently() else Strategy()

    def training_identity(self, phase: Phase) -> str:
        """Return the `identity` of what acts in this segment, for the job's key; "" if training is plain."""
        return self.acting(phase).identity()

    def identity(self) -> str:
        """Return the expression with all defaults and versions spelled out: changing one changes the job's key."""
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
    if isinstance(value, str):  # unquoted if it cannot be read as anything else
        return value if re.fullmatch(r"[A-Za-z_][\w./:-]*", value, re.ASCII) else json.dumps(value)
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
