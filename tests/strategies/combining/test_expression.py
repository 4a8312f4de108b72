"""Text to strategy and back."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import registry
from strategies.base import Strategy, StrategyError
from strategies.combining.expression import expand, parse, split
from strategies.study.loss_weights import LossWeights
from strategies.study.oversample import Oversample
from strategies.study.oversample_weak import OversampleWeak


@dataclasses.dataclass(frozen=True)
class Typed(Strategy):
    """One parameter of every type an expression may hold."""

    name = "typed"

    count: int = 1
    warm_up: float = 0.5
    fast: bool = True
    text: str = "plain"
    mode: Literal["max-ratio", "in verse"] = "max-ratio"
    tau: float | Literal["auto"] = "auto"
    limit: int | None = None


@dataclasses.dataclass(frozen=True)
class Needy(Strategy):
    """A plugin's strategy with a parameter that has no default, and a check of its own."""

    name = "needy"

    level: int

    def __post_init__(self) -> None:
        if self.level < 0:
            raise ValueError("level is\nnegative")


@pytest.fixture(autouse=True, scope="module")
def _extra_strategies() -> Any:
    with registry.isolated():
        registry.register(Typed)
        registry.register(Needy)
        yield


finite = st.floats(allow_nan=False, allow_infinity=False)
typed = st.builds(
    Typed,
    st.integers(),
    finite,
    st.booleans(),
    st.text(),
    st.sampled_from(["max-ratio", "in verse"]),
    finite | st.just("auto"),
    st.none() | st.integers(),
)


@given(typed)
def test_text_is_canonical_and_comes_back(strategy: Typed) -> None:
    assert parse(str(strategy)) == strategy
    assert str(parse(str(strategy))) == str(strategy)


@given(typed, st.sampled_from(["inverse", "max-ratio"]), st.floats(0.01, 1), st.permutations(range(3)))
def test_combinations_come_back_in_their_order(
    strategy: Typed, scheme: Any, threshold: float, order: list[int]
) -> None:
    parts = [strategy, LossWeights(scheme), OversampleWeak(threshold)]
    text = "+".join(str(parts[i]) for i in order)
    assert parse(text).parts() == tuple(parts[i] for i in order)
    assert str(parse(text)) == text


def test_a_number_of_more_digits_than_python_reads_is_refused() -> None:
    with pytest.raises(StrategyError):
        parse(f"ride(experts={'9' * 5000})")


@given(st.lists(typed, max_size=3))
def test_a_list_splits_at_its_own_commas_only(strategies: list[Typed]) -> None:
    texts = [str(strategy) for strategy in strategies]
    assert split(" , ".join(texts)) == texts


def test_blanks_dashes_and_types() -> None:
    written = (
        ' typed ( count = 3 , warm-up=1e-3, fast=false,text="a, b) +\\"c\\"", mode = "in verse", tau=2, limit=none)'
    )
    expected = Typed(3, 0.001, False, 'a, b) +"c"', "in verse", 2.0, None)
    assert parse(written + " + oversample ") == parse(f"{expected}+oversample")
    assert parse(written) == expected
    assert parse("typed(warm_up=1e+20)") == parse("typed(warm-up=1e20)") == Typed(warm_up=1e20)
    assert parse("typed()") == Typed()
    assert isinstance(parse("typed(warm-up=1)").parameters()["warm_up"], float)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected the name of a strategy"),
        ("oversample+", "expected the name of a strategy"),
        ("oversample loss-weights", "expected '+'"),
        ("typed(count=1", "expected ',' or ')'"),
        ("typed(count)", "expected '='"),
        ("typed(count=)", "expected a value"),
        ("typed(count=1,)", "expected the name of a parameter"),
        ("oversampel", "did you mean 'oversample'"),
        ("typed(cuont=1)", "typed has no parameter 'cuont' (did you mean 'count'?); it takes count, warm-up, fast"),
        ("oversample(x=1)", "it takes no parameters"),
        ("typed(count=1.5)", "typed: count must be a whole number, got '1.5'"),
        ("typed(warm-up=much)", "typed: warm-up must be a finite number, got 'much'"),
        ("typed(warm-up=nan)", "a finite number"),
        ("typed(tau=-inf)", "a finite number or auto"),
        ("typed(warm-up=1e999)", "a finite number"),
        ("typed(fast=yes)", "typed: fast must be true or false"),
        ('typed(text="\\q")', 'typed: text="\\q" cannot be read: Invalid \\escape'),
        ("typed(count=" + "9" * 5000 + ")", "typed: count must be a whole number"),
        ("typed(limit=many)", "a whole number or none"),
        ("loss-weights(scheme=invers)", "loss-weights: scheme must be max-ratio or inverse, got 'invers'"),
        ("typed(count=1,count=2)", "'count' is given twice"),
        ("needy", "needy: "),
        ("needy(level=-1)", "needy: level is negative"),
        ("none+oversample", "'none' joins with nothing"),
        ("oversample+none", "'none' joins with nothing"),
        ("oversample+oversample", "oversample is repeated"),
    ],
)
def test_what_cannot_be_is_one_sentence(text: str, says: str) -> None:
    with pytest.raises(StrategyError) as error:
        parse(text)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_globs_lists_and_repetitions() -> None:
    assert expand(["over*"]) == ["oversample", "oversample-rare", "oversample-weak"]
    assert expand(["none,loss-weights( scheme = inverse )", "*weights", "none"]) == [
        "none",
        "loss-weights(scheme=inverse)",
        "loss-weights",
    ]
    assert expand(["typed(count=2,fast=false)+oversample,none"]) == ["typed(count=2,fast=false)+oversample", "none"]
    assert expand([]) == []
    with pytest.raises(StrategyError, match=r"No strategy matches 'x\*'.*known: .*oversample"):
        expand(["x*"])


@pytest.mark.parametrize(
    "names", list(itertools.permutations(["oversample", "loss-weights", "minority-augment"], 2)), ids="+".join
)
def test_the_studys_pairs_parse(names: tuple[str, str]) -> None:
    assert [part.name for part in parse("+".join(names)).parts()] == list(names)


def test_a_single_part_is_the_strategy_itself() -> None:
    assert parse("oversample") == Oversample()
    assert parse("oversample").parts() == (Oversample(),)
