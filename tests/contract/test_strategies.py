"""What every registered strategy must keep: shapes, finite values, frozen facts, texts that come back."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
import torch

from strategies.base import Batch, Facts, Outputs, Progress, Strategy
from strategies.combine import seats_of
from strategies.expression import parse
from strategies.registry import get, names

COUNTS = {
    "long tail": (500, 120, 30, 7, 2, 1),
    "empty class": (40, 0, 10, 0, 3),
    "one sample each": (1, 1, 1),
    "balanced": (25, 25, 25, 25),
    "two classes": (9_000_000, 1),
    "one class with samples": (0, 12, 0),
}
STUDY = [
    "oversample+loss-weights",
    "oversample+minority-augment",
    "loss-weights+minority-augment",
    "oversample+loss-weights+minority-augment",
]
PROGRESS = [Progress(epoch, epochs) for epochs in (1, 3, 10) for epoch in {0, epochs - 1}]


def all_facts() -> list[Facts]:
    """Return every kind of counts, in both stages, before and after validation was measured."""
    return [
        Facts(counts, tuple(f"class {c}" for c in range(len(counts))), stage, accuracy_C)
        for counts in COUNTS.values()
        for stage in (1, 2)
        for accuracy_C in (None, tuple(math.nan if n < 3 else (c % 3) / 2 for c, n in enumerate(counts)))
    ]


@pytest.fixture(params=[*names(), *STUDY])
def strategy(request: pytest.FixtureRequest) -> Strategy:
    return parse(request.param)


def test_class_variables_are_filled(strategy: Strategy) -> None:
    for part in strategy.parts():
        assert part.name
        assert get(part.name) is type(part)
        assert "\n" not in part.summary
        assert part.summary
        assert type(part).__doc__
    assert strategy.needs <= {"validation", "text"}
    assert seats_of(strategy) <= {"sampler", "mix", "loss", "classifier", "prior", "retraining"}


def test_parameters_survive_text_and_json(strategy: Strategy) -> None:
    assert parse(str(strategy)) == strategy
    for part in strategy.parts():
        assert type(part)(**json.loads(json.dumps(part.parameters()))) == part
        assert "inf" not in str(part.parameters())
    with pytest.raises(dataclasses.FrozenInstanceError):
        strategy.name = "other"  # type: ignore[misc]


def test_weights_and_sampling_are_proper(strategy: Strategy) -> None:
    for facts in all_facts():
        for progress in PROGRESS:
            weights_C, p_C = strategy.class_weights_C(facts, progress), strategy.sampling_C(facts, progress)
            kept_C = strategy.kept_C(facts, progress)
            if kept_C is not None:
                assert kept_C.dtype == np.int64
                assert (kept_C <= facts.counts).all()
                assert ((kept_C > 0) == (facts.counts > 0)).all()
            for values_C in (weights_C, p_C):
                if values_C is not None:
                    assert values_C.shape == (facts.num_classes,)
                    assert values_C.dtype == np.float64
                    assert np.isfinite(values_C).all()
            if weights_C is not None:
                assert (weights_C > 0).all()
            if p_C is not None:
                assert (p_C >= 0).all()
                assert abs(p_C.sum() - 1) < 1e-9
                assert (p_C[facts.counts == 0] == 0).all()


def test_augmentation_strengths_lie_in_range(strategy: Strategy) -> None:
    for facts in all_facts():
        pipeline = strategy.augmentation(facts)
        if pipeline is not None:
            assert len(pipeline.strength_C) == facts.num_classes
            assert all(0 <= s <= 1 for s in pipeline.strength_C)


def test_phases_cover_the_stage_and_every_stretch_has_an_identity(strategy: Strategy) -> None:
    for facts in all_facts():
        for epochs in (1, 2, 3, 7, 50):
            phases = strategy.phases(epochs, facts)
            assert phases[0].start == 0
            assert phases[-1].end == epochs
            assert all(a.end == b.start for a, b in zip(phases, phases[1:], strict=False))
            for phase in phases:
                acting = strategy.acting(facts.stage, phase)
                identity = strategy.training_identity(facts.stage, phase)
                assert bool(identity) == acting.trains_differently()
                assert not identity or parse(str(acting)) == acting
            if strategy.trains_differently():
                acts = any(strategy.training_identity(facts.stage, phase) for phase in phases)
                assert acts == strategy.acts_in(facts.stage)


def test_facts_stay_and_answers_repeat(strategy: Strategy) -> None:
    for facts in all_facts():
        before = dataclasses.replace(facts)
        first = (strategy.class_weights_C(facts, PROGRESS[0]), strategy.sampling_C(facts, PROGRESS[0]))
        for values_C in first:
            if values_C is not None:
                values_C *= 2  # a caller may scale what it got; the next answer must not know
        again = (strategy.class_weights_C(facts, PROGRESS[0]), strategy.sampling_C(facts, PROGRESS[0]))
        for a, b in zip(first, again, strict=True):
            assert (a is None and b is None) or np.array_equal(a, b * 2)  # type: ignore[operator, arg-type]
        assert np.array_equal(facts.counts, before.counts)
        assert str(facts) == str(before), "NaN included"


def test_tensor_hooks_keep_shapes_and_give_finite_gradients(strategy: Strategy) -> None:
    for facts in all_facts():
        classes, draws = facts.num_classes, torch.Generator().manual_seed(0)
        present = [c for c, n in enumerate(facts.counts_C) if n]
        labels_B = torch.tensor([present[b % len(present)] for b in range(5)])
        y_BC = torch.nn.functional.one_hot(labels_B, classes).float()
        batch = strategy.mix(Batch(torch.rand(5, 3, 8, 8, generator=draws), labels_B, y_BC), facts, draws)
        assert batch.images_BCHW.shape == (5, 3, 8, 8)
        torch.testing.assert_close(batch.y_BC.sum(1), torch.ones(5))

        features_BF = torch.randn(5, 6, generator=draws, requires_grad=True)
        classifier = strategy.classifier(torch.nn.Linear(6, classes), 6, facts)
        outputs = Outputs(classifier(features_BF), features_BF)
        logits_BC = strategy.train_logits(outputs, batch, facts, PROGRESS[-1])
        assert logits_BC.shape == (5, classes)
        weights_C = torch.ones(classes)
        given = strategy.class_weights_C(facts, PROGRESS[-1])
        if given is not None:
            weights_C = torch.from_numpy(given).float()
        loss = strategy.loss(Outputs(logits_BC, features_BF), batch, weights_C, facts, PROGRESS[-1], draws)
        if loss is None:
            loss = torch.nn.functional.cross_entropy(logits_BC, batch.y_BC, weight=weights_C)
        loss.backward()
        assert torch.isfinite(loss)
        assert features_BF.grad is not None
        assert torch.isfinite(features_BF.grad).all()

        scored = strategy.predict(Outputs(outputs.logits_BC.detach(), features_BF.detach()), facts)
        assert scored.shape == (5, classes)
        assert torch.isfinite(scored).all()
