"""The values that parameters may have: every bound that a registered strategy declares, and what errors say."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal, get_args, get_type_hints

import pytest
import torch

from benchmarks.contract.cases import PROGRESS, batches, ordinary
from benchmarks.contract.step import try_step
from strategies import registry
from strategies.base import Strategy, StrategyError
from strategies.combining.expression import parse
from strategies.ranges import Interval, interval, intervals
from strategies.space import Choice

NAMES = registry.names()
BOUNDED = [(name, field) for name in NAMES for field in intervals(registry.get(name))]
TOO = {"head": ",tail=0"}  # what else to set, so that a parameter may have its lower bound


def outside(allowed: Interval) -> list[float]:
    """Return the nearest numbers that are not allowed, and what never is."""
    below = math.nextafter(allowed.low, -math.inf) if allowed.closed[0] else allowed.low
    above = math.nextafter(allowed.high, math.inf) if allowed.closed[1] else allowed.high
    return [below, above, math.nan, math.inf, -math.inf]


@pytest.mark.parametrize(("name", "field"), BOUNDED)
def test_what_is_just_outside_is_refused_in_a_sentence(name: str, field: str) -> None:
    allowed = intervals(registry.get(name))[field]
    for value in outside(allowed):
        with pytest.raises(StrategyError) as error:
            registry.get(name)(**{field: value})
        assert str(error.value) == f"{name}: {field.replace('_', '-')} must be {allowed}, got {value!r}."


@pytest.mark.parametrize(("name", "field"), BOUNDED)
def test_bounds_that_are_allowed_take_a_step(name: str, field: str) -> None:
    allowed, case = intervals(registry.get(name))[field], ordinary()[0]
    _, batch = next(batches(case))
    for bound, closed in zip((allowed.low, allowed.high), allowed.closed, strict=True):
        if closed:
            strategy = parse(f"{name}({field}={bound:g}{TOO.get(field, '')})")
            tried = try_step(strategy, case, batch, PROGRESS[-1])
            assert torch.isfinite(tried.loss) and torch.isfinite(tried.scored_BC).all()


@pytest.mark.parametrize("name", NAMES)
def test_defaults_and_what_tune_searches_are_in_range(name: str) -> None:
    cls = registry.get(name)
    space = cls().space()
    for field, allowed in intervals(cls).items():
        default, searched = getattr(cls, field), space.get(field)
        assert default is None or default in allowed
        if searched is not None:
            ends = searched.values if isinstance(searched, Choice) else (searched.low, searched.high)
            assert all(end in allowed for end in ends)


@pytest.mark.parametrize("name", NAMES)
def test_every_number_has_a_range(name: str) -> None:
    cls = registry.get(name)
    hints = get_type_hints(cls)
    numbers = {f.name for f in dataclasses.fields(cls) if {int, float} & {hints[f.name], *get_args(hints[f.name])}}
    assert numbers == set(intervals(cls))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("focal(gamma=-1)", "focal: gamma must be at least 0 and finite, got -1.0."),
        ("ldam(scale=0)", "ldam: scale must be positive and finite, got 0.0."),
        ("ride(experts=1)", "ride: experts must be at least 2 and finite, got 1."),
        ("oversample-weak(factor=1)", "oversample-weak: factor must be above 1 and finite, got 1.0."),
        ("minority-augment(full-at=1)", "minority-augment: full-at must be in (0, 1), got 1.0."),
        ("feature-smote(start=1)", "feature-smote: start must be in [0, 1), got 1.0."),  # of the base class
        ("tau-norm(tau=-1)", "tau-norm: tau must be at least 0 and finite, got -1.0."),
        ("cmo(start=0.5,end=0.5)", "cmo: start must be below end, got start 0.5 and end 0.5."),
        (
            "label-aware-smoothing(head=0.1,tail=0.4)",
            "label-aware-smoothing: tail must be at most head, got tail 0.4 and head 0.1.",
        ),
        ("mislas(head=0.1,tail=0.4)", "mislas: tail must be at most head, got tail 0.4 and head 0.1."),
    ],
)
def test_what_is_refused_is_said_in_words(text: str, says: str) -> None:
    with pytest.raises(StrategyError) as error:
        parse(text)
    assert str(error.value) == says


@dataclasses.dataclass(frozen=True)
class Shaped(Strategy):
    """Has a number of any size, and a choice."""

    name = "shaped"
    ranges = {"slope": "(-inf, inf)"}

    slope: float = 0.0
    shape: Literal["linear", "convex"] = "linear"


def test_choices_and_types_are_checked_in_python_too() -> None:
    assert Shaped(-1e300, "convex").slope == -1e300 and Shaped(10**400).slope == 10**400
    for values, says in (
        ({"shape": "round"}, "shape must be linear or convex, got 'round'"),
        ({"slope": math.inf}, "slope must be finite, got inf"),
        ({"slope": "steep"}, "slope must be finite, got 'steep'"),
        ({"slope": None}, "slope must be finite, got None"),
    ):
        with pytest.raises(StrategyError) as error:
            Shaped(**values)  # type: ignore[arg-type]
        assert str(error.value) == f"shaped: {says}."


@pytest.mark.parametrize("text", ["0, 1", "[0,1)", "[1, 0]", "(1, 1)", "[0, inf]", "[-inf, 0]", "(0, one)", ""])
def test_text_that_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write one such as"):
        interval(text)


@pytest.mark.parametrize(
    ("ranges", "says"),
    [
        ({"slop": "[0, 1]"}, "shaped: ranges names 'slop', which is not one of its parameters."),
        ({"slope": "0 to 1"}, "'0 to 1' is not a range; write one such as '[0, 1)' or '(0, inf)'."),
    ],
)
def test_a_wrong_declaration_is_refused_at_registration(ranges: dict[str, str], says: str) -> None:
    with registry.isolated(), pytest.raises(StrategyError) as error:
        registry.register(type("Shaped", (Shaped,), {"ranges": ranges}))
    assert str(error.value) == says
