"""Gains drawn toward earlier results: against a closed form, and by how well they predict the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.tools.recommend.expected import LEAST_KNOWN, expected


def named(values_S: np.ndarray) -> dict[str, float]:
    return {f"s{s}": float(value) for s, value in enumerate(values_S)}


def test_equal_errors_give_the_closed_form() -> None:
    """With one variance for all, the line is that of ordinary least squares and t is what its residuals leave."""
    random = np.random.default_rng(0)
    x_S = np.sort(random.uniform(0, 0.1, 60))
    y_S = 0.01 + 0.5 * x_S + random.normal(0, 0.03, 60)
    better_x_S, better_y_S = x_S[30:], y_S[30:]
    slope, level = np.polyfit(better_x_S, better_y_S, 1)
    line_S = level + slope * better_x_S
    rest_S = better_y_S - line_S
    spread = (rest_S**2).sum() / 28 - 0.02**2
    kept = spread / (spread + 0.02**2)
    assert 0.3 < kept < 0.8
    found = expected(named(y_S), dict.fromkeys(named(y_S), 0.02), named(x_S))
    np.testing.assert_allclose(list(found.values())[30:], line_S + kept * rest_S, atol=1e-6)


@pytest.mark.parametrize("slope", [1.0, 0.0, -1.0])
def test_they_are_nearer_to_the_truth_than_the_rows_alone_whatever_the_earlier_ranking(slope: float) -> None:
    random, errors = np.random.default_rng(1), np.full(60, 0.03)
    of_rows, of_both = [], []
    for _ in range(50):
        x_S = np.sort(random.normal(0, 0.03, 60))
        truth_S = slope * x_S + random.normal(0, 0.01, 60)
        seen_S = truth_S + random.normal(0, 0.03, 60)
        both_S = np.array(list(expected(named(seen_S), named(errors), named(x_S)).values()))
        of_rows.append(np.square(seen_S - truth_S)[30:].mean())
        of_both.append(np.square(both_S - truth_S)[30:].mean())
    assert np.mean(of_both) < 0.35 * np.mean(of_rows)


def test_certain_rows_decide_alone() -> None:
    random = np.random.default_rng(2)
    y_S, x_S = random.normal(0, 0.05, 20), random.normal(0, 0.05, 20)
    found = expected(named(y_S), dict.fromkeys(named(y_S), 1e-6), named(x_S))
    np.testing.assert_allclose(list(found.values()), y_S, atol=1e-6)


def test_what_is_unknown_before_is_drawn_toward_the_mean_and_what_is_unknown_now_is_the_line() -> None:
    x_S = np.linspace(0, 0.2, 41)
    y_S = x_S.copy()
    y_S[30] = 0.0
    errors = {**dict.fromkeys(named(y_S), 0.05), "s40": math.nan, "new": 0.05}
    found = expected({**named(y_S), "new": 0.2}, errors, named(x_S))
    assert 0.1 < found["new"] < 0.2
    assert found["s30"] > 0.07, "half of the way up to the line"
    assert found["s40"] == pytest.approx(0.2, abs=0.02)


def test_few_strategies_are_left_as_they_are() -> None:
    few = named(np.arange(2 * LEAST_KNOWN - 2) / 100)
    assert expected({**few, "new": 0.5}, dict.fromkeys([*few, "new"], 0.1), few) == {**few, "new": 0.5}
