"""Each clause is broken by a strategy that breaks it, and by no other."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.contract.clauses import Verdict, clause, clauses, judge
from strategies import registry
from strategies.base import Batch, Outputs, Phase, Pipeline, Strategy, StrategyError
from strategies.combining.expression import parse
from strategies.space import Real, Space

pytestmark = pytest.mark.usefixtures("own_registry", "one_thread")


class Unnamed(Strategy):
    """One line too many."""

    summary = "two\nlines"


@dataclasses.dataclass(frozen=True)
class Rounded(Strategy):
    """A parameter whose text is not what it is: 0.5 comes back as 0."""

    power: int = 0.5  # type: ignore[assignment]


@dataclasses.dataclass(frozen=True)
class Overreaching(Strategy):
    """A range whose upper end it refuses."""

    power: float = 0.5

    def __post_init__(self) -> None:
        if self.power > 1:
            raise StrategyError("power must be at most 1.")

    def space(self) -> Space:
        return {"power": Real(0.1, 2.0)}


class Forgotten(Strategy):
    """Its segments end before the stage does where the epochs are odd."""

    def phases(self, epochs, facts):
        half = epochs // 2
        return (Phase(0, half, active=False), Phase(half, 2 * half))

    def class_weights_C(self, facts, progress):
        return np.ones(facts.num_classes)


class Infinite(Strategy):
    """Weights of large classes are lost to rounding."""

    def class_weights_C(self, facts, progress):
        return 1.0 - facts.counts / facts.counts.sum() - (facts.counts > 80_000)


class Unsummed(Strategy):
    """Draws classes that have no samples."""

    def sampling_C(self, facts, progress):
        return np.full(facts.num_classes, 1 / facts.num_classes)


class TooStrong(Strategy):
    """A strength above 1."""

    def augmentation(self, facts):
        return Pipeline((1.5,) * facts.num_classes)


class Flattened(Strategy):
    """A loss per sample."""

    def loss(self, outputs, batch, step):
        return torch.nn.functional.cross_entropy(outputs.logits_BC, batch.labels_B, reduction="none")


class Overflowing(Strategy):
    """The softmax by hand: exp of a large logit is infinite."""

    def loss(self, outputs, batch, step):
        e_BC = outputs.logits_BC.exp()
        return -(e_BC / e_BC.sum(1, keepdim=True)).gather(1, batch.labels_B[:, None]).log().mean()


class LogOfNothing(Strategy):
    """log n_c, with classes that have no samples."""

    def train_logits(self, outputs, batch, step):
        with np.errstate(divide="ignore"):
            return outputs.logits_BC - outputs.logits_BC.new_tensor(np.log(step.facts.counts))


class GlobalDraw(Strategy):
    """Draws from Python's global generator and puts nothing back."""

    def mix(self, batch, facts, generator):
        share = random.random()
        return Batch(share * batch.images_BCHW, batch.labels_B, batch.y_BC)


class Overwritten(Strategy):
    """Hands out an array of its own, which the caller may change."""

    def class_weights_C(self, facts, progress):
        return KEPT.setdefault(facts.counts_C, np.ones(facts.num_classes))


KEPT: dict[tuple[int, ...], np.ndarray] = {}


class LostView(Strategy):
    """Draws three times, and mixing keeps one of the two others."""

    def views(self):
        return 3

    def mix(self, batch, facts, generator):
        return dataclasses.replace(batch, views=batch.views[:1])


class Backwards(Strategy):
    """Climbs in a part of the network."""

    def rates(self):
        return {"encoder.*": -0.1}


class OfNothing(Strategy):
    """Gives a rate to parameters that the network does not have."""

    def rates(self):
        return {"backbone.*": 0.1}


class Rounding(Strategy):
    """Moves weights back by subtraction."""

    def ascend(self, network: Any) -> Any:
        moved = list(network.parameters())
        _shift(moved, 0.1)
        return lambda: _shift(moved, -0.1)


def _shift(parameters: Any, by: float) -> None:
    with torch.no_grad():
        for parameter in parameters:
            parameter.add_(by)


class Retuned(Strategy):
    """Trains the classifier again, and moves what is frozen."""

    def phases(self, epochs, facts):
        return (Phase(0, epochs - 1, active=False), Phase(epochs - 1, epochs, "classifier"))

    def after_step(self, network: Any, outputs: Any, batch: Any, step: Any) -> None:
        network.encoder.norm.running_mean.mul_(0.9)


class Counting(Strategy):
    """Remembers how many steps there were, where no checkpoint sees it."""

    def after_step(self, network: Any, outputs: Any, batch: Any, step: Any) -> None:
        STEPS.append(1)
        if len(STEPS) % 5 == 0:
            network.classifier.weight.data.mul_(0.5)


class CountingForwardPasses(Strategy):
    """Keeps a mean that every forward pass updates, of a whole batch or of a piece."""

    def classifier(self, classifier: Any, in_features: int, facts: Any) -> Any:
        classifier.register_buffer("mean", torch.zeros(()))
        classifier.register_forward_pre_hook(lambda module, given: _add(module, given[0]))
        return classifier


def _add(module: Any, features_BF: torch.Tensor) -> None:
    module.mean.mul_(0.5).add_(features_BF.detach().mean())


STEPS: list[int] = []

BROKEN = {
    "described": Unnamed,
    "parameters": Rounded,
    "space": Overreaching,
    "phases": Forgotten,
    "weights": Infinite,
    "sampling": Unsummed,
    "augmentation": TooStrong,
    "shapes": Flattened,
    "views": LostView,
    "rates": Backwards,
    "ascent": Rounding,
    "finite": Overflowing,
    "odd-classes": LogOfNothing,
    "randomness": GlobalDraw,
    "facts": Overwritten,
    "frozen": Retuned,
    "resumed": Counting,
    "pieces": CountingForwardPasses,
}


def verdicts(cls: type[Strategy]) -> dict[str, Verdict]:
    name, summary = cls.__name__.lower(), cls.summary or "broken on purpose"
    own = type(cls.__name__, (cls,), {"__doc__": cls.__doc__, "name": name, "summary": summary})
    registry.register(dataclasses.dataclass(frozen=True)(own))
    return {v.clause.name: v for v in judge(parse(name))}


def broken_clauses(cls: type[Strategy]) -> dict[str, str]:
    return {name: v.why for name, v in verdicts(cls).items() if v.state == "broken"}


@pytest.mark.parametrize("clause", [clause.name for clause in clauses()])
def test_a_broken_strategy_breaks_its_clause_and_no_other(clause: str) -> None:
    assert list(broken_clauses(BROKEN[clause])) == [clause]


class Drifting(Strategy):
    """Draws from NumPy's global generator while it makes a classifier."""

    def classifier(self, classifier, in_features, facts):
        np.random.rand()  # noqa: NPY002
        return classifier


class Unkeyed(Strategy):
    """A generator of its own, of a seed that nobody handed in."""

    def mix(self, batch, facts, generator):
        return Batch(batch.images_BCHW * np.random.default_rng().random(), batch.labels_B, batch.y_BC)


class Tampering(Strategy):
    """Writes into the facts."""

    def predict(self, outputs: Outputs, facts):
        object.__setattr__(facts, "counts_C", tuple(n + 1 for n in facts.counts_C))
        return outputs.logits_BC


class Raising(Strategy):
    """A hook that fails."""

    def train_logits(self, outputs, batch, step):
        raise KeyError("no such thing")


class BadTarget(Strategy):
    """Targets that do not sum to 1."""

    def mix(self, batch, facts, generator):
        return Batch(batch.images_BCHW, batch.labels_B, batch.y_BC * 0.5)


class CountsForBools(Strategy):
    """Says how many samples where it should say which classes."""

    def ascent_C(self, facts):
        return facts.counts


class HalfAView(Strategy):
    """Draws a row one and a half times."""

    def views(self):
        return 1.5


class CountingEpochs(Strategy):
    """Remembers how many epochs there were, where no checkpoint sees it."""

    def after_epoch(self, network: Any, facts: Any, trained: Any) -> None:
        EPOCHS.append(1)
        network.classifier.bias.data.add_(len(EPOCHS))


EPOCHS: list[int] = []


@pytest.mark.parametrize(
    ("cls", "clause"),
    [
        (CountingEpochs, "resumed"),
        (HalfAView, "views"),
        (OfNothing, "rates"),
        (CountsForBools, "ascent"),
        (Drifting, "randomness"),
        (Unkeyed, "randomness"),
        (Tampering, "facts"),
        (Raising, "shapes"),
        (BadTarget, "shapes"),
    ],
)
def test_other_ways_to_break_a_clause(cls: type[Strategy], clause: str) -> None:
    assert list(broken_clauses(cls)) == [clause]


def test_what_rests_on_a_broken_clause_is_not_tried_and_says_on_which() -> None:
    found = verdicts(Raising)
    assert found["shapes"].why == "KeyError: 'no such thing'"
    assert found["finite"].state == "not tried"
    assert "shapes" in found["finite"].why
    assert found["weights"].state == "kept"


@pytest.mark.parametrize(
    ("name", "after", "promise"),
    [("weights", (), "Taken."), ("new", ("unheard-of",), "After an unknown one."), ("new", (), "")],
)
def test_a_clause_that_cannot_be_registered_is_refused(name: str, after: tuple[str, ...], promise: str) -> None:
    before = clauses()

    def check(strategy: Strategy) -> None:
        raise AssertionError

    check.__doc__ = promise
    with pytest.raises(ValueError, match=f"clause '{name}' needs"):
        clause(name, after)(check)
    assert clauses() == before
