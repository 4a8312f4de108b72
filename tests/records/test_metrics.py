"""Metrics against independent computations, and their registry."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imblearn.metrics import geometric_mean_score
from sklearn.metrics import balanced_accuracy_score

from benchmarks.records import metrics
from benchmarks.records.hits import per_class
from benchmarks.support.errors import UserError


def test_summary_by_hand():
    found = metrics.from_hits(np.array([9, 5, 0, 0, 1]), np.array([10, 10, 0, 4, 2]), np.array([101, 100, 500, 20, 19]))
    assert found["overall"] == pytest.approx(15 / 26)
    assert found["class-mean"] == pytest.approx((0.9 + 0.5 + 0 + 0.5) / 4)
    assert (found["many"], found["medium"], found["few"]) == pytest.approx((0.9, 0.25, 0.5))
    assert (found["worst"], found["zeros"]) == (0.0, 1)
    assert metrics.worst_class(np.array([9, 5, 0, 0, 1]), np.array([10, 10, 0, 4, 2])) == 3


def test_summary_without_test_rows_is_unknown_not_zero():
    found = metrics.from_hits(np.zeros(2), np.zeros(2), np.array([5, 3]))
    assert math.isnan(found["overall"])
    assert math.isnan(found["class-mean"])
    assert math.isnan(found["worst"]) and found["zeros"] == 0
    assert metrics.worst_class(np.zeros(2), np.zeros(2)) == -1


@given(st.integers(0, 2**32 - 1))
def test_class_mean_agrees_with_scikit_learn(seed):
    draws = np.random.default_rng(seed)
    labels_N, guesses_N = draws.integers(0, 5, 40), draws.integers(0, 5, 40)
    every_N = np.ones(40, dtype=bool)
    hits_C = np.array(per_class(guesses_N == labels_N, labels_N, 5))
    found = metrics.from_hits(hits_C, np.array(per_class(every_N, labels_N, 5)), np.full(5, 10))
    scored = balanced_accuracy_score(labels_N, np.where(guesses_N == labels_N, labels_N, (labels_N + 1) % 5))
    if len(set(labels_N)) == 5:
        assert found["class-mean"] == pytest.approx(scored)


def test_a_metric_from_probabilities_is_one_function(monkeypatch):
    monkeypatch.setattr(metrics, "METRICS", dict(metrics.METRICS))

    @metrics.metric("confidence", "confidence", needs="probabilities", higher_is_better=None)
    def confidence(probabilities_NC, labels_N):
        return float(probabilities_NC.max(axis=1).mean())

    logits_NC, labels_N = np.array([[0.0, 0.0], [0.0, np.log(3)]]), np.array([0, 1])
    assert metrics.from_probabilities(logits_NC, labels_N)["confidence"] == pytest.approx(0.625)
    assert metrics.from_probabilities(logits_NC[:0], labels_N[:0]) == {}
    assert "confidence" in metrics.names("probabilities") and "confidence" not in metrics.names("hits")


def test_g_mean_agrees_with_imbalanced_learn():
    labels_N, guesses_N = np.array([0, 0, 0, 1, 1, 3]), np.array([0, 0, 1, 1, 2, 3])
    hits_C = np.array(per_class(guesses_N == labels_N, labels_N, 4))
    found = metrics.from_hits(hits_C, np.bincount(labels_N, minlength=4), np.ones(4))["g-mean"]
    assert found == pytest.approx(geometric_mean_score(labels_N, guesses_N, labels=[0, 1, 3], average="multiclass"))
    assert metrics.from_hits(np.array([3, 0]), np.array([3, 2]), np.ones(2))["g-mean"] == 0.0


def test_names_are_unique_and_an_unknown_one_suggests_the_nearest():
    with pytest.raises(ValueError, match="the metric 'overall' is registered already"):
        metrics.metric("overall", "x")(lambda counts: 0.0)
    with pytest.raises(UserError, match=r"no metric 'class-men' \(did you mean 'class-mean'"):
        metrics.get("class-men")
