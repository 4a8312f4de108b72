"""Intervals against scipy, a bootstrap, an independent formula, and how often they mark what is not there."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import binomtest, t, ttest_1samp

from benchmarks.records import stats
from tests.leaderboard import make
from tests.records import null_simulation


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


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=3, max_size=30))
def test_one_seed_one_class_is_the_paired_t_interval(rows):
    ours_N, theirs_N = np.array(rows).T
    overall, class_mean = stats.differences([stage(ours_N, (len(rows),))], [stage(theirs_N, (len(rows),))])
    d_N = ours_N.astype(float) - theirs_N
    assert dataclasses.astuple(overall) == pytest.approx(dataclasses.astuple(class_mean), nan_ok=True)
    assert overall.value == pytest.approx(d_N.mean())
    if d_N.std() > 0:
        test = ttest_1samp(d_N, 0)
        expected = test.confidence_interval()
        assert (overall.low, overall.high) == pytest.approx(np.clip([expected.low, expected.high], -1, 1))
        assert overall.p == pytest.approx(test.pvalue, abs=1e-9)


def test_class_variances_are_shrunk_to_the_pooled_one():
    ours_N = np.array([1, 1, 0, 0, 1, 1, 0, 1, 0, 1], dtype=bool)  # classes of 5, 2, 1, 1 and 1 rows
    sizes = np.array([5, 2, 1, 1, 1])
    found = stats.differences([stage(ours_N, sizes)], [stage(np.zeros(10), sizes)])[1]
    squares = np.array([4 * ours_N[:5].var(ddof=1), ours_N[5:7].var(ddof=1), 0, 0, 0])
    pooled, k = squares.sum() / 5, stats.SHRINKAGE  # 4 + 1 degrees of freedom
    parts = (squares + k * pooled) / (sizes - 1 + k) / sizes / 25
    own = (sizes - 1 + k) ** 2 / (sizes - 1 + k**2 / 5)
    freedom = min(5, parts.sum() ** 2 / (parts**2 / own).sum())
    half = t.ppf(0.975, freedom) * math.sqrt(parts.sum())
    assert found.value == pytest.approx((0.6 + 0.5 + 1 + 0 + 1) / 5)
    assert (found.low, found.high) == pytest.approx((found.value - half, min(1, found.value + half)))


def test_rows_that_agree_in_small_classes_are_no_certainty():
    ours_N = np.array([1, 1, 1, 0, 0, 0, 1, 0, 1, 1], dtype=bool)  # the first two classes agree within themselves
    theirs_N = np.array([0, 0, 0, 1, 1, 1, 0, 1, 1, 1], dtype=bool)
    found = stats.differences([stage(ours_N, (3, 3, 4))], [stage(theirs_N, (3, 3, 4))])[1]
    assert not found.real
    assert stats.of_class([stage(ours_N, (3, 3, 4))], [stage(theirs_N, (3, 3, 4))], 0)[0].low > -1


def test_the_p_value_is_the_level_at_which_the_interval_touches_zero(monkeypatch: pytest.MonkeyPatch):
    draws = np.random.default_rng(1)
    for seeds in (1, 2, 4):
        d_SN = draws.choice([-1.0, 0.0, 0.0, 1.0, 1.0], size=(seeds, 40))
        found = stats.compare(d_SN, (25, 10, 5))
        assert 0 < found.p < 1
        monkeypatch.setattr(stats, "CONFIDENCE", 1 - found.p)
        touching = stats.compare(d_SN, (25, 10, 5))
        monkeypatch.undo()
        assert min(abs(touching.low), abs(touching.high)) == pytest.approx(0, abs=1e-9)


def test_two_variances_each_have_their_own_quantile():
    draws = np.random.default_rng(2)
    d_SN = draws.choice([-1.0, 0.0, 1.0], size=(3, 50)) + np.array([[-0.3], [0.2], [-0.4]])
    found = stats.compare(d_SN, (50,))
    mean_N, mean_S = d_SN.mean(0), d_SN.mean(1)
    rows = mean_N.var(ddof=1) / 50
    scatter = ((d_SN - mean_N - mean_S[:, None] + d_SN.mean()) ** 2).sum() / (49 * 2) / 50 / 3
    training = mean_S.var(ddof=1) / 3 - 2 / 3 * scatter
    half = math.sqrt(t.ppf(0.975, 49) ** 2 * rows + t.ppf(0.975, 2) ** 2 * training)
    assert training > 0
    assert (found.low, found.high) == pytest.approx((d_SN.mean() - half, d_SN.mean() + half))


@pytest.mark.parametrize("seeds", null_simulation.SEEDS)
def test_false_marks_keep_their_level(seeds: int):
    """On average over settings, 3 to 6 % of comparisons of equals are marked; `null_simulation` prints each rate."""
    rates = [
        rate
        for sizes in null_simulation.SIZES.values()
        for rate in null_simulation.false_marks(sizes, seeds, repeats=120 // seeds, seed=seeds).values()
    ]
    assert 0.03 <= np.mean(rates) <= 0.06


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


def root(value: float, parts: list[tuple[float, float]]) -> float:
    """Return the log of the level at which an interval of these (variance, degrees of freedom) touches zero."""

    def gap(log_p: float) -> float:
        return math.sqrt(sum(v * t.ppf(math.exp(log_p) / 2, freedom) ** 2 for v, freedom in parts)) - abs(value)

    return brentq(gap, -200, -1e-15, xtol=1e-13)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_p_values_are_exact_to_nine_digits(seeds: int):
    draws = np.random.default_rng(seeds)
    checked = 0
    for shift in np.repeat([0.0, 0.1, 0.3, 0.6, 0.9], 20):
        share_S1 = np.clip(shift + draws.normal(0, 0.2, (seeds, 1)), 0, 1)
        d_SN = (draws.random((seeds, 30)) < share_S1).astype(float) - (draws.random((seeds, 30)) < 0.02)
        found, mean_N, mean_S = stats.compare(d_SN, (30,)), d_SN.mean(0), d_SN.mean(1)
        scatter = ((d_SN - mean_N - mean_S[:, None] + d_SN.mean()) ** 2).sum() / (29 * (seeds - 1)) / 30 / seeds
        rows, training = mean_N.var(ddof=1) / 30, mean_S.var(ddof=1) / seeds - (seeds - 1) / seeds * scatter
        if training > 1e-12 and rows > 0 and abs(found.value) > 1e-12:
            assert math.log(found.p) == pytest.approx(root(found.value, [(rows, 29), (training, seeds - 1)]), abs=1e-9)
            checked += 1
    assert checked > 30


def test_a_difference_far_beyond_its_interval_and_one_of_nearly_zero_have_a_p_value():
    d_SN = np.ones((2, 4000))
    d_SN[0, :40] = d_SN[1, :60] = 0
    assert 0 < stats.compare(d_SN, (4000,)).p < 0.01
    cancelling = np.repeat([[0.3, 0.1, -0.4], [0.1, 0.3, -0.4 + 1e-17]], 5, axis=1)
    cancelling[:, ::5] += [[0.1], [-0.1]]
    cancelling[:, 1::5] -= [[0.1], [-0.1]]
    assert stats.compare(cancelling, (5, 5, 5)).p == pytest.approx(1)


@given(st.integers(1, 3), st.lists(st.integers(1, 3), min_size=1, max_size=3), st.data())
def test_explain_has_an_interval_where_the_tables_have_one(seeds: int, sizes: list[int], data: st.DataObject):
    """`explain` shows `of_class`, the tables the class mean."""
    hits = st.lists(st.booleans(), min_size=sum(sizes), max_size=sum(sizes))
    ours, theirs = ([stage(data.draw(hits), sizes) for _ in range(seeds)] for _ in "ab")
    in_tables = math.isnan(stats.class_mean(ours, theirs).low)
    assert [math.isnan(stats.of_class(ours, theirs, c)[0].low) for c in range(len(sizes))] == [in_tables] * len(sizes)


def test_rows_that_cancel_are_no_certainty():
    found = stats.class_mean([stage([0, 1, 0, 0], (1, 1, 2))], [stage([1, 0, 0, 0], (1, 1, 2))])
    assert found.value == 0 and math.isnan(found.low) and math.isnan(found.p)
