"""The step schedule: its rates, what it refuses, its part in the keys."""

from __future__ import annotations

import pytest

from benchmarks.suites.suite import load, validate
from benchmarks.support.errors import UserError
from benchmarks.training.schedule import learning_rate
from tests.making import digits_suite
from tests.planning.test_plan import plan


def test_the_rate_rises_holds_and_falls_at_each_step() -> None:
    recipe = load("cifar10-lt").recipe
    steps = 200 * 98  # epochs times batches of 128 in 12,406 rows
    rates = [learning_rate(recipe, 0.1, step, steps) for step in range(steps)]
    assert rates[0] == pytest.approx(0.1 / (5 * 98))
    assert rates[5 * 98 - 1] == rates[160 * 98 - 1] == pytest.approx(0.1)
    assert rates[160 * 98] == rates[180 * 98 - 1] == pytest.approx(0.001)
    assert rates[180 * 98] == rates[-1] == pytest.approx(1e-5)


def test_steps_outside_of_the_stage_are_refused() -> None:
    content = digits_suite().model_dump()
    content["recipe"]["steps_at"] = [1.5]
    with pytest.raises(UserError, match="steps_at"):
        validate(content, "mine", "mine")


def test_steps_change_the_key() -> None:
    one, other = (plan("none", schedule="step", steps_at=[at]).cells[0].key for at in (0.5, 0.6))
    assert one != other
