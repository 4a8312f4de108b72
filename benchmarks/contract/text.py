"""The clauses about what a strategy says of itself: its class variables, and its parameters as text and as JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints

from benchmarks.contract.clause import expect
from strategies.base import Strategy, StrategyError
from strategies.combining.expression import parse
from strategies.combining.seats import seats_of
from strategies.registry import get

NEEDS = {"validation", "text"}
SEATS = {"sampler", "mix", "loss", "classifier", "prior", "retraining", "text", "architecture", "augmentation"}


def described(strategy: Strategy) -> None:
    """Name, summary and docstring are there; needs and seats are among those that are known."""
    for part in strategy.parts():
        expect(get(part.name) is type(part), f"{part.name} is registered as another class")
        expect(part.summary and "\n" not in part.summary, f"{part.name} has no summary of one line")
        own = (type(part).__doc__ or "").strip()
        expect(own and not own.startswith(f"{type(part).__name__}("), f"{part.name} has no docstring")
        unknown = sorted((part.needs - NEEDS) | (seats_of(part) - SEATS))
        expect(not unknown, f"{part.name} names unknown needs or seats: {', '.join(unknown)}")


def parameters(strategy: Strategy) -> None:
    """Whatever the parameters, the text that a record holds gives the same strategy back, and so does JSON."""
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
