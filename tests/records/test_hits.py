"""Hits against independent computations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import top_k_accuracy_score

from benchmarks.records.hits import hits


@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.integers(1, 12))
def test_hits_agree_with_scikit_learn_where_nothing_ties(seed, classes, k):
    draws = np.random.default_rng(seed)
    logits_NC = draws.normal(size=(30, classes))
    labels_N = draws.integers(0, classes, 30)
    ours = hits(logits_NC, labels_N, k).mean()
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
    assert hits(np.array(rows), np.array(labels), k).tolist() == expected


def test_constant_logits_earn_nothing_but_all_classes_do():
    logits_NC, labels_N = np.zeros((6, 6)), np.arange(6)
    assert hits(logits_NC, labels_N, 5).sum() == 0
    assert hits(logits_NC[:, :3], labels_N % 3, 5).all()


def test_integers_and_no_rows_are_fine_and_wrong_shapes_are_not():
    assert hits(np.eye(3, dtype=np.int64), np.arange(3), 1).all()
    assert hits(np.zeros((0, 3)), np.zeros(0, dtype=int), 1).shape == (0,)
    for logits, labels, k in [((3,), (3,), 1), ((3, 2), (2,), 1), ((3, 2), (3,), 0)]:
        with pytest.raises(ValueError, match="hits needs"):
            hits(np.zeros(logits), np.zeros(labels, dtype=int), k)
    for label in (-1, 2):
        with pytest.raises(ValueError, match="labels"):
            hits(np.zeros((1, 2)), np.array([label]), 1)
