"""Intervals against scipy, a bootstrap, and their promise: how often they hold the truth."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, t, ttest_1samp

from benchmarks.records import stats
from tests.leaderboard import make


def stage(hits_N, test_n):
    """A stage whose top-1 hits are these, class by class."""
    return make.stage_result(train_n=(9,) * len(test_n), test_n=tuple(test_n), hits_N=np.asarray(hits_N, dtype=bool))


@given(st.integers(1, 500), st.floats(0, 1))
def test_wilson_agrees_with_scipy(rows, share):
    hits = round(share * rows)
    expected = binomtest(hits, rows).proportion_ci(method="wilson")
    assert stats.wilson(hits, rows) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_wilson_without_rows_knows_nothing():
    assert stats.wilson(0, 0) == (0.0, 1.0)


def test_spread():
    assert stats.spread([1.0, 2.0, 3.0]) == (2.0, 1.0)
    mean, sd = stats.spread([0.5])
    assert mean == 0.5
    assert math.isnan(sd)
    assert all(math.isnan(value) for value in stats.spread([math.nan, 1.0]))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=3, max_size=30))
def test_one_seed_one_class_is_the_paired_t_interval(rows):
    ours_N, theirs_N = np.array(rows).T
    overall, class_mean = stats.differences([stage(ours_N, (len(rows),))], [stage(theirs_N, (len(rows),))])
    d_N = ours_N.astype(float) - theirs_N
    assert dataclasses.astuple(overall) == pytest.approx(dataclasses.astuple(class_mean), nan_ok=True)
    assert overall.value == pytest.approx(d_N.mean())
    if d_N.std() > 0:
        expected = ttest_1samp(d_N, 0).confidence_interval()
        assert (overall.low, overall.high) == pytest.approx(np.clip([expected.low, expected.high], -1, 1))


def test_class_mean_is_stratified_and_single_rows_share_a_variance():
    ours_N = np.array([1, 1, 0, 0, 1, 1, 0, 1, 0, 1], dtype=bool)  # classes of 5, 2, 1, 1 and 1 rows
    found = stats.differences([stage(ours_N, (5, 2, 1, 1, 1))], [stage(np.zeros(10), (5, 2, 1, 1, 1))])[1]
    parts = [ours_N[:5].var(ddof=1) / 5, ours_N[5:7].var(ddof=1) / 2, *[ours_N[7:].var(ddof=1)] * 3]
    half = t.ppf(0.975, 10 - 5) * math.sqrt(sum(parts)) / 5
    assert found.value == pytest.approx((0.6 + 0.5 + 1 + 0 + 1) / 5)
    assert (found.low, found.high) == pytest.approx((found.value - half, min(1, found.value + half)))


def test_intervals_agree_with_a_bootstrap_over_rows():
    draws = np.random.default_rng(3)
    test_C = np.array([400, 150, 60, 40])
    labels_N = np.repeat(np.arange(4), test_C)
    ours_N, theirs_N = draws.random(650) < 0.7, draws.random(650) < 0.6
    ours_N[:300] = theirs_N[:300]  # paired: most rows agree
    overall, class_mean = stats.differences([stage(ours_N, test_C)], [stage(theirs_N, test_C)])
    d_N = ours_N.astype(float) - theirs_N
    plain = [d_N[draws.integers(0, 650, 650)].mean() for _ in range(4000)]
    starts = np.concatenate([[0], np.cumsum(test_C)[:-1]])
    within = [
        np.mean([d_N[s + draws.integers(0, n, n)].mean() for s, n in zip(starts, test_C, strict=True)])
        for _ in range(4000)
    ]
    assert overall.value == pytest.approx(d_N.mean())
    assert class_mean.value == pytest.approx(np.mean([d_N[labels_N == c].mean() for c in range(4)]))
    for found, resampled in ((overall, plain), (class_mean, within)):
        assert (found.low, found.high) == pytest.approx(np.quantile(resampled, [0.025, 0.975]), abs=0.005)


def test_intervals_hold_the_truth_over_rows_and_seeds():
    draws = np.random.default_rng(5)
    test_C = np.maximum(1, (120 * 0.8 ** np.arange(20)).astype(int))  # ends in classes with one and two rows
    rows, seeds, repeats = int(test_C.sum()), 3, 200

    def trained(ease_N):
        """Hits of one training: rows differ in ease, and every training has its own luck."""
        return [stage(ease_N + draws.normal(0, 0.1) + draws.normal(0, 0.5, rows) > 0, test_C) for _ in range(seeds)]

    held = np.zeros(2)
    for _ in range(repeats):
        ease_N = draws.normal(0.2, 1, rows)
        held += [found.low <= 0 <= found.high for found in stats.differences(trained(ease_N), trained(ease_N))]
    assert (held / repeats >= 0.90).all()
    assert (held / repeats < 1.0).any()


def test_seeds_that_disagree_widen_the_interval():
    test_n, none = (200,), np.zeros(200)
    alike = [stage(np.arange(200) < 40, test_n)] * 2
    apart = [stage(np.arange(200) < hits, test_n) for hits in (10, 70)]
    base = [stage(none, test_n)] * 2
    steady, unsteady = stats.differences(alike, base)[0], stats.differences(apart, base)[0]
    assert (steady.value, unsteady.value) == pytest.approx((0.2, 0.2))
    assert steady.real
    assert not unsteady.real


def test_too_few_rows_have_no_interval_and_equal_results_an_empty_one():
    alone = stats.differences([stage([True], (1,))], [stage([False], (1,))])
    alike = stats.differences([stage([True] * 3, (3,))], [stage([False] * 3, (3,))])
    thirds = stats.differences([stage([hit] * 4, (4,)) for hit in (1, 0, 0)], [stage([0] * 4, (4,))] * 3)
    assert not thirds[0].real
    for found in (*alone, *alike):
        assert found.value == 1.0
        assert math.isnan(found.low)
        assert not found.real
    same = stats.differences([stage([True, False], (1, 1))], [stage([True, False], (1, 1))])[0]
    assert (same.value, same.low, same.high, same.real) == (0.0, 0.0, 0.0, False)


def test_only_the_same_rows_pair():
    one = stage([True, False], (1, 1))
    for other in ({"rows_key": "other"}, {"classes": ("x", "y")}):
        with pytest.raises(ValueError, match="same test rows"):
            stats.differences([one], [dataclasses.replace(one, **other)])
    for ours, theirs in (([], []), ([one], []), ([stage([], (0, 0))], [stage([], (0, 0))])):
        with pytest.raises(ValueError, match="at least one"):
            stats.differences(ours, theirs)


def test_top5_is_compared_by_its_own_bits():
    low = stage([False, False, False, False], (4,))
    high = dataclasses.replace(low, top5_hits=(4,), top5_bits="8A==")
    assert stats.differences([high], [high], top=5)[0].value == 0
    assert stats.differences([high], [low], top=1)[0].value == 0
    assert stats.differences([high], [low], top=5)[0].value == 1 - low.top5_hits[0] / 4
