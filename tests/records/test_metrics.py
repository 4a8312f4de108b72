"""Metrics against independent computations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, top_k_accuracy_score

from benchmarks.records import metrics


@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.integers(1, 12))
def test_hits_agree_with_scikit_learn_where_nothing_ties(seed, classes, k):
    draws = np.random.default_rng(seed)
    logits_NC = draws.normal(size=(30, classes))
    labels_N = draws.integers(0, classes, 30)
    ours = metrics.hits(logits_NC, labels_N, k).mean()
    if k < classes and classes > 2:
        assert ours == pytest.approx(top_k_accuracy_score(labels_N, logits_NC, k=k, labels=range(classes)))
    elif k >= classes:
        assert ours == 1.0  # five guesses among four classes are all of them
    else:
        assert ours == np.mean(logits_NC.argmax(axis=1) == labels_N)


@given(
    st.lists(
        st.lists(st.sampled_from([0.0, 1.0, 2.0, math.inf, -math.inf, math.nan]), min_size=4, max_size=4), min_size=1
    ),
    st.integers(1, 4),
)
def test_ties_and_nan_count_against_row_by_row(rows, k):
    labels = [position % 4 for position in range(len(rows))]
    expected = [
        not any(map(math.isnan, row)) and sum(value >= row[label] for value in row) <= k
        for row, label in zip(rows, labels, strict=True)
    ]
    assert metrics.hits(np.array(rows), np.array(labels), k).tolist() == expected


def test_constant_logits_earn_nothing_but_all_classes_do():
    logits_NC, labels_N = np.zeros((6, 6)), np.arange(6)
    assert metrics.hits(logits_NC, labels_N, 5).sum() == 0
    assert metrics.hits(logits_NC[:, :3], labels_N % 3, 5).all()


def test_integers_and_no_rows_are_fine_and_wrong_shapes_are_not():
    assert metrics.hits(np.eye(3, dtype=np.int64), np.arange(3), 1).all()
    assert metrics.hits(np.zeros((0, 3)), np.zeros(0, dtype=int), 1).shape == (0,)
    for logits, labels, k in [((3,), (3,), 1), ((3, 2), (2,), 1), ((3, 2), (3,), 0)]:
        with pytest.raises(ValueError, match="hits needs"):
            metrics.hits(np.zeros(logits), np.zeros(labels, dtype=int), k)
    for label in (-1, 2):
        with pytest.raises(ValueError, match="labels"):
            metrics.hits(np.zeros((1, 2)), np.array([label]), 1)


def test_summary_by_hand():
    found = metrics.summarise(np.array([9, 5, 0, 0, 1]), np.array([10, 10, 0, 4, 2]), np.array([101, 100, 500, 20, 19]))
    assert found.overall == pytest.approx(15 / 26)
    assert found.class_mean == pytest.approx((0.9 + 0.5 + 0 + 0.5) / 4)
    assert (found.many, found.medium, found.few) == pytest.approx((0.9, 0.25, 0.5))
    assert (found.worst, found.worst_class, found.zeros) == (0.0, 3, 1)


def test_summary_without_test_rows_is_unknown_not_zero():
    found = metrics.summarise(np.zeros(2), np.zeros(2), np.array([5, 3]))
    assert math.isnan(found.overall)
    assert math.isnan(found.class_mean)
    assert (found.worst_class, found.zeros) == (-1, 0)


@given(st.integers(0, 2**32 - 1))
def test_class_mean_agrees_with_scikit_learn(seed):
    draws = np.random.default_rng(seed)
    labels_N, guesses_N = draws.integers(0, 5, 40), draws.integers(0, 5, 40)
    every_N = np.ones(40, dtype=bool)
    hits_C = np.array(metrics.per_class(guesses_N == labels_N, labels_N, 5))
    found = metrics.summarise(hits_C, np.array(metrics.per_class(every_N, labels_N, 5)), np.full(5, 10))
    scored = balanced_accuracy_score(labels_N, np.where(guesses_N == labels_N, labels_N, (labels_N + 1) % 5))
    if len(set(labels_N)) == 5:
        assert found.class_mean == pytest.approx(scored)
