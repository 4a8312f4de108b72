"""Strategies joined by `+`: every hook composes, seats are refused, stages are cut where a part starts or stops."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from strategies.base import (
    TRAINING_HOOKS,
    Batch,
    Facts,
    Outputs,
    Phase,
    Pipeline,
    Progress,
    Step,
    Strategy,
    StrategyError,
)
from strategies.combining.combine import combine
from strategies.combining.expression import parse

FACTS = Facts((100, 10, 1, 0), ("a", "b", "c", "d"))
START = Progress(0, 10)


@dataclasses.dataclass(frozen=True)
class Deferred(Strategy):
    """Weights that act from a fraction of the stage on, like deferred re-weighting."""

    name = "deferred"
    start: float = 0.8

    def phases(self, epochs: int, facts: Facts) -> list[Phase]:
        border = round(self.start * epochs)
        return [Phase(0, border, active=False), Phase(border, epochs)]

    def class_weights_C(self, facts: Facts, progress: Progress) -> np.ndarray:
        return np.full(facts.num_classes, 2.0)


@dataclasses.dataclass(frozen=True)
class Retrained(Strategy):
    """Plain training, then a new classifier on frozen features, drawn balanced, like cRT."""

    name = "retrained"
    seats = frozenset({"retraining"})
    start: float = 0.5

    def phases(self, epochs: int, facts: Facts) -> list[Phase]:
        border = round(self.start * epochs)
        return [Phase(0, border, active=False), Phase(border, epochs, "classifier", new_classifier=True)]

    def sampling_C(self, facts: Facts, progress: Progress) -> np.ndarray:
        return np.full(facts.num_classes, 1 / facts.num_classes)


@dataclasses.dataclass(frozen=True)
class AtTheEnd(Strategy):
    """Changes weights once, on a network it shares with plain training, like tau-normalisation."""

    name = "at-the-end"

    def phases(self, epochs: int, facts: Facts) -> list[Phase]:
        return [Phase(0, epochs, active=False), Phase(epochs, epochs)]

    def after_training(self, network: Any, facts: Facts, trained: Any) -> None:
        network.append("at-the-end")


@dataclasses.dataclass(frozen=True)
class PostHoc(Strategy):
    """Shifts stored logits; trains nothing."""

    name = "post-hoc"
    needs = frozenset({"text"})
    add: float = 1.0

    def predict(self, outputs: Outputs, facts: Facts) -> torch.Tensor:
        return outputs.logits_BC + self.add


@dataclasses.dataclass(frozen=True)
class TailOnly(Strategy):
    """Doubles what the loss sees and stored logits, in stage 2 only."""

    name = "tail-only"
    needs = frozenset({"validation"})

    def phases(self, epochs: int, facts: Facts) -> list[Phase]:
        return [Phase(0, epochs, active=facts.stage == 2)]

    def train_logits(self, outputs: Outputs, batch: Batch, step: Step) -> torch.Tensor:
        return outputs.logits_BC * 2

    def predict(self, outputs: Outputs, facts: Facts) -> torch.Tensor:
        return outputs.logits_BC * facts.stage

    def after_step(self, network: Any, outputs: Any, batch: Any, step: Any) -> None:
        network.append("tail-only")


@dataclasses.dataclass(frozen=True)
class Margin(Strategy):
    """Adds to the logits that the loss sees, brings a loss and mixes; strengthens one class's augmentation."""

    name = "margin"

    def train_logits(self, outputs: Outputs, batch: Batch, step: Step) -> torch.Tensor:
        return outputs.logits_BC + 3

    def loss(self, outputs: Outputs, batch: Batch, step: Step) -> torch.Tensor:
        return outputs.logits_BC.sum()

    def mix(self, batch: Batch, facts: Facts, generator: torch.Generator) -> Batch:
        return dataclasses.replace(batch, images_BCHW=batch.images_BCHW + 1)

    def classifier(self, classifier: Any, in_features: int, facts: Facts) -> Any:
        return torch.nn.Linear(in_features, facts.num_classes)

    def augmentation(self, facts: Facts) -> Pipeline:
        return Pipeline((0.5, 0.0, 0.0, 0.0))

    def after_step(self, network: Any, outputs: Any, batch: Any, step: Any) -> None:
        network.append("margin")


def identities(strategy: Strategy, stage: int = 2) -> list[tuple[int, int, str]]:
    facts = dataclasses.replace(FACTS, stage=stage)
    return [(p.start, p.end, str(strategy.acting(p))) for p in strategy.phases(10, facts)]


def test_weights_multiply_and_the_sampler_stands() -> None:
    joined = parse("oversample+loss-weights+minority-augment")
    weights_C = joined.class_weights_C(FACTS, START)
    assert weights_C is not None
    np.testing.assert_allclose(weights_C, [1, 10, 100, 1], rtol=1e-12)
    both = combine([Deferred(), parse("loss-weights")]).class_weights_C(FACTS, START)
    np.testing.assert_allclose(both, [2, 20, 200, 2], rtol=1e-12)  # type: ignore[arg-type]
    np.testing.assert_allclose(joined.sampling_C(FACTS, START), [1 / 3, 1 / 3, 1 / 3, 0])  # type: ignore[arg-type]
    assert joined.augmentation(FACTS) == parse("minority-augment").augmentation(FACTS)
    assert parse("oversample+minority-augment").class_weights_C(FACTS, START) is None
    assert parse("loss-weights+minority-augment").sampling_C(FACTS, START) is None
    assert parse("oversample+loss-weights").augmentation(FACTS) is None


@pytest.mark.parametrize("hook", [*TRAINING_HOOKS, "companions", "predict", "report"])
def test_every_hook_is_joined(hook: str) -> None:
    joined = combine([Margin(), Deferred()])
    assert getattr(type(joined), hook) is not getattr(Strategy, hook), f"joining.JOINS has no line for {hook}"


def test_augmentation_takes_the_stronger_class_by_class() -> None:
    joined = combine([Margin(), parse("minority-augment(strength=0.25,border=100)")])
    pipeline = joined.augmentation(FACTS)
    assert pipeline is not None
    assert pipeline.strength_C == (0.5, 0.25, 0.25, 0.0)


def test_torch_hooks_run_in_order() -> None:
    ab, ba = combine([Margin(), TailOnly()]), combine([TailOnly(), Margin()])
    outputs = Outputs(torch.ones(2, 4), torch.zeros(2, 3))
    batch = Batch(torch.zeros(2, 3, 4, 4), torch.tensor([0, 1]), torch.eye(4)[:2])
    step = Step(FACTS, START, torch.ones(4), torch.Generator())
    assert ab.train_logits(outputs, batch, step).unique().tolist() == [8]
    assert ba.train_logits(outputs, batch, step).unique().tolist() == [5]
    assert outputs.logits_BC.unique().tolist() == [1]
    posthoc = combine([PostHoc(), TailOnly(), PostHoc2()])
    assert posthoc.predict(outputs, dataclasses.replace(FACTS, stage=2)).unique().tolist() == [14]
    loss = ba.loss(outputs, batch, step)
    assert loss is not None
    assert loss.item() == 8
    assert combine([TailOnly(), Deferred()]).loss(outputs, batch, step) is None
    assert ab.mix(batch, FACTS, torch.Generator()).images_BCHW.unique().tolist() == [1]
    assert ab.classifier(torch.nn.Linear(3, 4), 7, FACTS).in_features == 7
    calls: list[str] = []
    combine([TailOnly(), AtTheEnd(), Margin()]).after_step(calls, outputs, batch, step)  # type: ignore[arg-type]
    combine([TailOnly(), AtTheEnd(), Margin()]).after_training(calls, FACTS, tuple)  # type: ignore[arg-type]
    assert calls == ["tail-only", "margin", "at-the-end"]


@dataclasses.dataclass(frozen=True)
class PostHoc2(PostHoc):
    """Another one, so that two can be joined."""

    name = "post-hoc-2"
    add: float = 10.0


def test_parts_predict_with_the_facts_of_the_stage() -> None:
    outputs = Outputs(torch.ones(1, 4), torch.zeros(1, 3))
    assert combine([PostHoc(), TailOnly()]).predict(outputs, FACTS).unique().tolist() == [2]


def test_needs_seats_and_texts_join() -> None:
    joined = combine([PostHoc(), TailOnly(), Margin()])
    assert joined.needs == {"text", "validation"}
    assert joined.seats == {"loss", "mix", "classifier"}
    assert joined.name == str(joined) == "post-hoc+tail-only+margin"
    assert combine([combine([PostHoc(), TailOnly()]), Margin()]) == joined, "nested combinations flatten"


@dataclasses.dataclass(frozen=True)
class Margin2(Margin):
    """A second one for the same seats."""

    name = "margin-2"


@dataclasses.dataclass(frozen=True)
class Retrained2(Retrained):
    """Trains the classifier again without saying so."""

    name = "retrained-2"
    seats = frozenset()
    sampling_C = Strategy.sampling_C  # type: ignore[assignment]


def test_a_seat_is_held_by_overriding_its_hook() -> None:
    with pytest.raises(
        StrategyError, match="^oversample and retrained both choose which rows are drawn; keep one of them.$"
    ):
        combine([parse("oversample"), Retrained()])
    with pytest.raises(StrategyError, match="^margin and margin-2 both change the classifier; keep one of them.$"):
        combine([Margin(), Margin2()])


def test_two_that_train_the_classifier_again_are_refused() -> None:
    with pytest.raises(StrategyError, match="retrained and retrained-2 both train the classifier again; only one may"):
        combine([Retrained(), Retrained2()]).phases(10, FACTS)


def test_a_deferred_part_shares_its_prefix_and_joins_what_acts_throughout() -> None:
    assert identities(Deferred()) == [(0, 8, ""), (8, 10, "deferred")]
    assert identities(combine([parse("oversample"), Deferred()])) == [
        (0, 8, "oversample"),
        (8, 10, "oversample+deferred"),
    ]
    assert identities(combine([Deferred(0.2), Retrained(), PostHoc()])) == [
        (0, 2, ""),
        (2, 5, "deferred(start=0.2)"),
        (5, 10, "deferred(start=0.2)+retrained"),
    ]


def test_retraining_survives_a_cut_and_starts_the_classifier_once() -> None:
    phases = combine([Retrained(), Deferred()]).phases(10, FACTS)
    assert [(p.start, p.end, p.trains, p.new_classifier, p.active) for p in phases] == [
        (0, 5, "all", False, False),
        (5, 8, "classifier", True, True),
        (8, 10, "classifier", False, True),
    ]


def test_an_empty_stretch_at_the_end_stays() -> None:
    assert identities(combine([Deferred(), AtTheEnd()])) == [
        (0, 8, ""),
        (8, 10, "deferred"),
        (10, 10, "deferred+at-the-end"),
    ]
    assert identities(combine([AtTheEnd(), PostHoc()])) == [(0, 10, ""), (10, 10, "at-the-end")]


def test_a_part_that_skips_a_stage_and_a_post_hoc_part_leave_training_plain() -> None:
    joined = combine([TailOnly(), PostHoc()])
    assert identities(joined, stage=1) == [(0, 10, "")]
    assert identities(joined, stage=2) == [(0, 10, "tail-only")]
    assert joined.trains_differently()
    assert not combine([PostHoc(), PostHoc2()]).trains_differently()
    assert PostHoc().training_identity(Phase(0, 10)) == ""
    assert parse("none").training_identity(Phase(0, 10)) == ""


def test_the_identity_spells_out_defaults_and_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    joined = combine([Deferred(), parse("loss-weights"), PostHoc()])
    late = joined.phases(10, FACTS)[1]
    assert joined.training_identity(late) == "deferred@1(start=0.8)+loss-weights@1(scheme=max-ratio)"
    assert joined.identity().endswith("+post-hoc@1(add=1.0)")
    monkeypatch.setattr(Deferred, "version", "2")
    assert joined.training_identity(late).startswith("deferred@2(")


@given(st.integers(1, 60), st.floats(0, 1), st.floats(0, 1))
def test_stretches_cover_the_stage_without_gaps(epochs: int, late: float, again: float) -> None:
    phases = combine([Deferred(late), Retrained(again), AtTheEnd()]).phases(epochs, FACTS)
    assert phases[0].start == 0
    assert phases[-1].end == epochs
    assert all(a.end == b.start for a, b in zip(phases, phases[1:], strict=False))
    assert sum(p.new_classifier for p in phases) >= (round(again * epochs) < epochs)
