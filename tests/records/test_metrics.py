"""Metrics against independent computations, and their registry."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, log_loss

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

    @metrics.metric("nll", "NLL", needs="probabilities", higher_is_better=False)
    def nll(probabilities_NC, labels_N):
        return float(-np.log(probabilities_NC[np.arange(len(labels_N)), labels_N]).mean())

    draws = np.random.default_rng(0)
    logits_NC, labels_N = draws.normal(size=(20, 3)).astype(np.float32), draws.integers(0, 3, 20)
    exp_NC = np.exp(logits_NC)
    expected = log_loss(labels_N, exp_NC / exp_NC.sum(axis=1, keepdims=True), labels=range(3))
    assert metrics.from_probabilities(logits_NC, labels_N) == {"nll": pytest.approx(expected)}
    assert metrics.from_probabilities(logits_NC[:0], labels_N[:0]) == {}
    assert metrics.names("probabilities") == ["nll"] and "nll" not in metrics.names("hits")
    assert not metrics.get("nll").higher_is_better


def test_names_are_unique_and_an_unknown_one_suggests_the_nearest():
    with pytest.raises(ValueError, match="the metric 'overall' is registered already"):
        metrics.metric("overall", "x")(lambda counts: 0.0)
    with pytest.raises(UserError, match=r"no metric 'class-men' \(did you mean 'class-mean'"):
        metrics.get("class-men")
