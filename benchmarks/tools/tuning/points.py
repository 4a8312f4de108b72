"""The settings that a search tries: the default first, then the points of a scrambled Sobol sequence."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from backbones.seeds import seed_for
from benchmarks.suites.settings import with_settings
from benchmarks.suites.suite import Recipe, Suite
from strategies.combining.expression import parse
from strategies.combining.searching import changed, searched
from strategies.space import Value

DIMENSIONS = 64  # of the sequence, fixed above any expression's number of parameters, on which no column may depend
RECIPE_COLUMNS = 2  # the first ones are the recipe's, so that all strategies see the same recipes and share trainings


@dataclasses.dataclass(frozen=True)
class Trial:
    """One point of a search: the expression and the suite there, and the `settings` that differ from trial 0."""

    number: int
    strategy: str
    suite: Suite
    settings: Mapping[str, Value]


def trials_of(suite: Suite, strategy: str, count: int) -> tuple[Trial, ...]:
    """Return `count` trials of an expression: the suite as it is, then points of its space and of the recipe's.

    The first n of them are the same for any `count` of n or more, so that a longer search continues a shorter one.
    """
    found = [Trial(0, strategy, suite, {})]
    parsed = parse(strategy)
    ranges, recipe_ranges = searched(parsed), suite.recipe.space()
    for number, fractions in enumerate(_fractions(count - 1), start=1):
        recipe = {name: one.at(u) for (name, one), u in zip(recipe_ranges.items(), fractions, strict=False)}
        values = {n: one.at(u) for (n, one), u in zip(ranges.items(), fractions[RECIPE_COLUMNS:], strict=False)}
        given = with_settings(suite, _typed(suite.recipe, recipe))
        found.append(Trial(number, str(changed(parsed, values)), given, {**recipe, **values}))
    return tuple(found)


def _fractions(count: int) -> Sequence[Sequence[float]]:
    """Return the first `count` points in [0, 1), float64 [count, DIMENSIONS]."""
    from scipy.stats import qmc

    # `seed` is what every release since 1.14 takes; the generator must be able to spawn another one
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed_for("tune", "sobol"))))
    sequence = qmc.Sobol(DIMENSIONS, scramble=True, seed=generator)
    points: list[list[float]] = sequence.random_base2(max(0, count - 1).bit_length())[:count].tolist()
    return points


def _typed(recipe: Recipe, values: Mapping[str, Value]) -> list[str]:
    """Return values of the recipe as `--set` takes them; the tail's own learning rate moves by the same factor."""
    typed = [f"recipe.{name}={value!r}" for name, value in values.items()]
    if recipe.tail_learning_rate is not None:
        rate = recipe.tail_learning_rate * float(values["learning_rate"]) / recipe.learning_rate
        typed.append(f"recipe.tail_learning_rate={rate:.3g}")
    return typed
