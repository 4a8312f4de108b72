"""The settings that a search tries."""

from __future__ import annotations

import numpy as np

from benchmarks.tools.tuning.points import trials_of
from strategies.combining.expression import parse
from strategies.combining.searching import searched
from tests.making import digits_suite

SUITE = digits_suite({"learning_rate": 0.05, "weight_decay": 5e-4})


def test_the_default_comes_first_and_every_point_is_in_its_ranges() -> None:
    first, *others = trials_of(SUITE, "drw+ldam", 12)
    assert (first.strategy, first.suite, first.settings) == ("drw+ldam", SUITE, {})
    ranges = {**SUITE.recipe.space(), **searched(parse("drw+ldam"))}
    for trial in others:
        assert set(trial.settings) == set(ranges)
        assert all(value in ranges[name] for name, value in trial.settings.items())
        assert trial.suite.recipe.learning_rate == trial.settings["learning_rate"]
        assert trial.suite.recipe.weight_decay == trial.settings["weight_decay"]
        assert searched(parse(trial.strategy)).keys() < ranges.keys()
    assert len({trial.suite.name for trial in others}) == len(others)


def test_a_longer_search_continues_a_shorter_one() -> None:
    assert trials_of(SUITE, "focal", 20)[:5] == trials_of(SUITE, "focal", 5)


def test_all_strategies_see_the_same_recipes() -> None:
    found = [[t.suite for t in trials_of(SUITE, text, 6)] for text in ("none", "focal", "drw+ldam")]
    assert found[0] == found[1] == found[2]


def test_points_fill_the_square_of_rate_and_decay() -> None:
    points = [list(t.settings.values()) for t in trials_of(SUITE, "none", 17)[1:]]
    low, high = np.log([[r.low, r.high] for r in SUITE.recipe.space().values()]).T
    cells = {tuple(np.floor((np.log(point) - low) / (high - low) * 4).clip(0, 3)) for point in points}
    assert len(cells) >= 12  # of 16; a random draw fills 10


def test_a_recipe_without_decay_keeps_none_and_the_tails_own_rate_moves_along() -> None:
    suite = digits_suite({"learning_rate": 0.1, "tail_learning_rate": 0.02})
    for trial in trials_of(suite, "none", 5)[1:]:
        recipe = trial.suite.recipe
        assert list(trial.settings) == ["learning_rate"] and recipe.weight_decay == 0
        assert recipe.tail_learning_rate is not None
        assert abs(recipe.tail_learning_rate / recipe.learning_rate - 0.2) < 2e-3
