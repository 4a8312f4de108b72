"""Corrections for many comparisons, against scipy and their definitions; tie groups and rank intervals."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from benchmarks.records.multiple import benjamini_hochberg, holm, rank_intervals, tie_groups

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@given(P_VALUES)
def test_holm_rejects_what_its_steps_reject(p_M):
    """Reject from the smallest p upwards while p_(k) <= level / (M - k + 1)."""
    corrected = holm(p_M)
    for level in (0.01, 0.05, 0.2):
        rejected = set()
        for k, index in enumerate(np.argsort(p_M, kind="stable")):
            if p_M[index] * (len(p_M) - k) > level:
                break
            rejected.add(int(index))
        assert {int(i) for i in np.flatnonzero(corrected <= level)} == rejected


@given(P_VALUES)
def test_q_values_are_scipys(p_M):
    np.testing.assert_allclose(benjamini_hochberg(p_M), false_discovery_control(p_M))


def test_what_has_no_interval_is_part_of_the_family_and_never_significant():
    np.testing.assert_allclose(holm([0.02, math.nan]), [0.04, 1])
    np.testing.assert_allclose(benjamini_hochberg([0.02, math.nan]), [0.04, 1])


def test_groups_start_with_the_best_and_hold_whoever_cannot_be_told_from_it():
    clear = {(0, 2), (0, 4), (2, 4)}
    groups = tie_groups(5, lambda a, b: 1e-6 if (a, b) in clear else 0.5)
    assert groups == [1, 1, 2, 1, 3]
    assert tie_groups(0, lambda a, b: 1.0) == []


def test_one_comparison_too_many_is_not_marked():
    assert tie_groups(2, lambda a, b: 0.03) == [1, 2]
    assert tie_groups(3, lambda a, b: 0.03) == [1, 1, 1]  # 2 * 0.03 > 0.05


def test_rank_intervals_count_who_is_surely_better_and_surely_worse():
    values = [0.9, 0.8, 0.1]
    sure = {(0, 2), (1, 2)}
    found = rank_intervals(3, lambda a, b: (values[a] - values[b], 1e-6 if (a, b) in sure else 0.9))
    assert found == [(1, 2), (1, 2), (3, 3)]
