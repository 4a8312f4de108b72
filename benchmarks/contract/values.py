"""Clauses about a strategy's description, its parameters, and what it computes from the facts alone. C classes."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np

from benchmarks.contract.cases import PROGRESS, Case, odd, ordinary, samples
from benchmarks.contract.clauses import clause, expect
from strategies.base import Strategy, StrategyError
from strategies.combining import searching
from strategies.combining.expression import parse
from strategies.combining.seats import SEATS, seats_of
from strategies.registry import get

NEEDS = {"validation", "text", "pixels", "transformer", "batch-norm"}
EPOCHS = (*range(1, 13), 50, 200)
MOST_POINTS = 250


@clause("described")
def described(strategy: Strategy) -> None:
    """Name, summary and docstring are present; needs and seats are known."""
    for part in strategy.parts():
        expect(get(part.name) is type(part), f"{part.name} is registered as another class")
        expect(part.summary and "\n" not in part.summary, f"{part.name} has no summary of one line")
        own = (type(part).__doc__ or "").strip()
        expect(own and not own.startswith(f"{type(part).__name__}("), f"{part.name} has no docstring")
        unknown = sorted((part.needs - NEEDS) | (seats_of(part) - SEATS.keys()))
        expect(not unknown, f"{part.name} names unknown needs or seats: {', '.join(unknown)}")


@clause("parameters")
def parameters(strategy: Strategy) -> None:
    """Parameters survive conversion to text, JSON and a record.

    Tried with the default parameters and with each of them changed.
    """
    expect(parse(_recorded(strategy)) == strategy, f"{str(strategy)!r} reads back as another strategy")
    for part in strategy.parts():
        try:
            setattr(part, "name", part.name)  # noqa: B010  (a frozen dataclass refuses it)
        except dataclasses.FrozenInstanceError:
            pass
        else:
            expect(False, f"{part.name} is not a frozen dataclass")
        for changed in (part, *_others(part)):
            text = _recorded(changed)
            expect(parse(text) == changed, f"{text!r} reads back as {parse(text)!r}")
            values = json.loads(json.dumps(changed.parameters(), allow_nan=False))
            expect(type(part)(**values) == changed, f"the parameters of {text!r} do not survive JSON")


def _recorded(strategy: Strategy) -> str:
    """Return the strategy's text as a record's JSON gives it back."""
    text: str = json.loads(json.dumps({"strategy": str(strategy)}))["strategy"]
    return text


def _others(part: Strategy) -> Iterator[Strategy]:
    """Yield the strategy with each parameter changed to values of its type, where it takes them."""
    hints = get_type_hints(type(part))
    for field in dataclasses.fields(part):
        for value in _values(hints[field.name], getattr(part, field.name)):
            try:
                yield dataclasses.replace(part, **{field.name: value})
            except (StrategyError, ValueError):
                continue


def _values(annotation: Any, current: Any) -> list[Any]:
    """Return other values of a parameter's type."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    if isinstance(current, bool):
        return [not current]
    if isinstance(current, int):
        return [current + 1]
    if isinstance(current, float):
        return [current / 3, math.nextafter(current, 0.0), 1e-7]
    choices = get_args(annotation)
    return [0.1] if current is None and float in choices else [1] if current is None and int in choices else []


@clause("space", after=("parameters",))
def space(strategy: Strategy) -> None:
    """Every point of the search space is a valid expression, and each default is in its range.

    Tried at both ends and in the middle of each range, in all combinations up to `MOST_POINTS`.
    """
    ranges = searching.searched(strategy)
    steps = itertools.product((0.0, 0.5, math.nextafter(1.0, 0.0)), repeat=len(ranges))
    for fractions in itertools.islice(steps, MOST_POINTS):
        values = {name: one.at(u) for (name, one), u in zip(ranges.items(), fractions, strict=True)}
        outside = [name for name, value in values.items() if value not in ranges[name]]
        expect(not outside, f"its range of {', '.join(outside)} gives a value outside of itself")
        moved = searching.changed(strategy, values)
        expect(parse(str(moved)) == moved, f"{str(moved)!r} reads back as another strategy")


@clause("phases")
def phases(strategy: Strategy, cases: Sequence[Case] | None = None) -> None:
    """Phases cover the stage for any number of epochs.

    They leave no gaps, and the strategy that acts in each phase can be written as text.
    """
    for epochs in EPOCHS:
        acts = False
        for case in cases or ordinary():
            found = strategy.phases(epochs, case.facts)
            spans = [(p.start, p.end) for p in found]
            covers = spans and spans[0][0] == 0 and spans[-1][1] == epochs and all(a <= b for a, b in spans)
            gapless = all(a[1] == b[0] for a, b in zip(spans, spans[1:], strict=False))
            expect(covers and gapless, f"{epochs} epochs are split into {spans}")
            for phase in found:
                acting, identity = strategy.acting(phase), strategy.training_identity(phase)
                expect(bool(identity) == acting.trains_differently(), f"{phase} acts without an identity, or idly")
                expect(not identity or parse(str(acting)) == acting, f"{str(acting)!r} reads back as another strategy")
                acts = acts or bool(identity)
        expect(acts == strategy.trains_differently(), f"its hooks act in no phase of {epochs} epochs, in either stage")


@clause("weights")
def weights(strategy: Strategy, cases: Sequence[Case] | None = None) -> None:
    """Class weights are finite and positive, one per class."""
    for case in cases or ordinary():
        for progress in PROGRESS:
            weights_C = strategy.class_weights_C(case.facts, progress)
            if weights_C is not None:
                _proper("class_weights_C", weights_C, case)
                expect((weights_C > 0).all(), f"class_weights_C gives a weight of {weights_C.min()}, {case.name}")


@clause("sampling")
def sampling(strategy: Strategy) -> None:
    """Sampling probabilities sum to 1, and empty classes get 0.

    No class with samples loses all samples that may be drawn, or all of its resampled rows or features.
    """
    for case in (*ordinary(), *odd()):
        for progress in PROGRESS:
            for hook in ("sampling_C", "second_C"):
                _probabilities(hook, getattr(strategy, hook)(case.facts, progress), case)
            kept_C = strategy.kept_C(case.facts, progress)
            if kept_C is not None:
                expect(kept_C.dtype == np.int64, f"kept_C is {kept_C.dtype}, not int64")
                expect((kept_C <= case.facts.counts).all(), f"kept_C keeps more samples than there are, {case.name}")
                leaves_C = (kept_C > 0) == (case.facts.counts > 0)
                expect(leaves_C.all(), f"kept_C leaves a class without samples, {case.name}")
        _resampled(strategy, case)


def _probabilities(hook: str, p_C: np.ndarray | None, case: Case) -> None:
    if p_C is None:
        return
    _proper(hook, p_C, case)
    expect((p_C >= 0).all(), f"{hook} gives a negative probability, {case.name}")
    expect(abs(p_C.sum() - 1) < 1e-9, f"{hook} sums to {p_C.sum()}, not to 1, {case.name}")
    expect((p_C[case.facts.counts == 0] == 0).all(), f"{hook} draws a class without samples, {case.name}")


def _resampled(strategy: Strategy, case: Case) -> None:
    """Expect resampled rows and features to contain every class that has samples, and no other."""
    labels_N, features_NF, facts = samples(case)
    rows_M = strategy.resample_rows(labels_N, facts, seed=3)
    if rows_M is not None:
        right = np.issubdtype(rows_M.dtype, np.integer) and (rows_M >= 0).all() and (rows_M < len(labels_N)).all()
        expect(right, f"resample_rows gives positions that are none of the samples', {case.name}")
        expect(set(labels_N[rows_M]) == set(labels_N), f"resample_rows loses a class, {case.name}")
    resampled = strategy.resample_features(features_NF, labels_N, facts, seed=3)
    if resampled is not None:
        features_MF, labels_M = resampled
        expect(features_MF.shape == (len(labels_M), features_NF.shape[1]), "resample_features: shapes do not agree")
        expect(np.isfinite(features_MF).all(), f"resample_features gives features that are not finite, {case.name}")
        expect(set(labels_M) == set(labels_N), f"resample_features loses a class or makes one up, {case.name}")


@clause("augmentation")
def augmentation(strategy: Strategy, cases: Sequence[Case] | None = None) -> None:
    """Strengths and share are in range.

    One strength per class, in [0, 1]; the share of draws in (0, 1].
    """
    for case in cases or ordinary():
        pipeline = strategy.augmentation(case.facts)
        if pipeline is not None:
            strengths = pipeline.strength_C
            expect(len(strengths) == case.facts.num_classes, f"{len(strengths)} strengths for the classes, {case.name}")
            expect(all(0 <= s <= 1 for s in strengths), f"a strength is outside of [0, 1], {case.name}")
            expect(0 < pipeline.share <= 1, f"the share {pipeline.share} is outside of (0, 1]")


def _proper(hook: str, values_C: np.ndarray, case: Case) -> None:
    """Expect a finite float64 array [C]."""
    expect(isinstance(values_C, np.ndarray), f"{hook} gives a {type(values_C).__name__}, not an array")
    expect(
        values_C.shape == (case.facts.num_classes,),
        f"{hook} has shape {values_C.shape} for {case.facts.num_classes} classes",
    )
    expect(values_C.dtype == np.float64, f"{hook} is {values_C.dtype}, not float64")
    expect(np.isfinite(values_C).all(), f"{hook} is not finite, {case.name}")
