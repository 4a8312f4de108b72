"""Ranges of parameters, and the expressions at their points."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.base import Strategy, StrategyError
from strategies.combining.expression import parse
from strategies.combining.searching import changed, searched
from strategies.space import Choice, Integer, Real, Space

FRACTIONS = st.floats(0, 1, exclude_max=True)


@given(st.floats(1e-6, 1e6), st.floats(1.001, 1e6), FRACTIONS, st.booleans())
def test_a_real_value_is_in_its_range_and_short(low: float, factor: float, fraction: float, log: bool) -> None:
    values = Real(low, low * factor, log)
    value = values.at(fraction)
    assert value in values
    assert value in (low, low * factor) or value == float(f"{value:.3g}")


def test_a_logarithmic_range_gives_each_power_of_ten_as_often() -> None:
    values = [Real(0.01, 10.0, log=True).at(k / 300) for k in range(300)]
    counted = Counter(math.floor(math.log10(value) + 1e-12) for value in values)
    assert all(abs(counted[power] - 100) <= 2 for power in (-2, -1, 0))


@given(st.integers(1, 50), st.integers(1, 1000), FRACTIONS, st.booleans())
def test_an_integer_is_in_its_range(low: int, more: int, fraction: float, log: bool) -> None:
    values = Integer(low, low + more, log)
    assert values.at(fraction) in values


def test_integers_and_choices_give_every_value_as_often() -> None:
    assert set(Counter(Integer(3, 6).at(k / 100) for k in range(100)).values()) == {25}
    assert set(Counter(Choice(("a", "b")).at(k / 100) for k in range(100)).values()) == {50}


EMPTY = [
    lambda: Real(1.0, 1.0),
    lambda: Real(0.0, 1.0, log=True),
    lambda: Real(0.0, math.inf),
    lambda: Integer(3, 2),
    lambda: Choice((1,)),
]


@pytest.mark.parametrize("make", EMPTY)
def test_an_empty_range_is_refused(make: object) -> None:
    with pytest.raises(ValueError, match="needs"):
        make()  # type: ignore[operator]


def test_values_are_not_mistaken_for_others() -> None:
    assert True not in Real(0.0, 2.0)
    assert 1.5 not in Integer(1, 2)
    assert math.nan not in Real(0.0, 1.0)
    assert None not in Real(0.0, 1.0)


def test_a_combination_has_the_ranges_of_its_parts() -> None:
    strategy = parse("drw+ldam")
    assert set(searched(strategy)) == {"drw.start", "drw.beta", "ldam.max_margin", "ldam.scale"}
    assert str(changed(strategy, {"drw.start": 0.6, "ldam.scale": 20.0})) == "drw(start=0.6)+ldam(scale=20.0)"


def test_what_an_expression_sets_is_not_searched() -> None:
    assert set(searched(parse("ldam(scale=20)"))) == {"max_margin"}
    assert searched(parse("none")) == {}
    assert set(searched(parse("lora"))) == {"rank"}, "its default is a rule, no rank"


@dataclasses.dataclass(frozen=True)
class Wrong(Strategy):
    """Declares whatever it was made with."""

    name = "wrong"
    power: float = 0.5

    def space(self) -> Space:
        return SPACES[-1]


SPACES: list[Space] = []


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        ({"powr": Real(0.0, 1.0)}, "wrong: its space names 'powr', which is none of its parameters."),
        ({"power": Real(1.0, 2.0)}, "wrong: the default power=0.5 is not in its range "),
    ],
)
def test_a_wrong_space_is_named(space: Space, sentence: str) -> None:
    SPACES.append(space)
    with pytest.raises(StrategyError) as caught:
        searched(Wrong())
    assert str(caught.value).startswith(sentence)
