"""Metrics of probabilities against scikit-learn, torch and direct computations row by row."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from benchmarks.records import metrics, probabilistic
from strategies.posthoc.calibration import temperature


def draw(seed: int, rows: int = 60, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return float32 logits that know something of the labels; the last class has no rows."""
    draws = np.random.default_rng(seed)
    labels_N = draws.integers(0, classes - 1, rows)
    logits_NC = draws.normal(size=(rows, classes)) * 3
    logits_NC[np.arange(rows), labels_N] += 2
    return logits_NC.astype(np.float32), labels_N


def gap(confidences: list[float], truths: list[bool]) -> float:
    """Return the calibration error in 15 bins, (k / 15, (k + 1) / 15] each."""
    total = 0.0
    for k in range(15):
        inside = [(c, t) for c, t in zip(confidences, truths, strict=True) if k / 15 < c <= (k + 1) / 15]
        if inside:
            total += abs(np.mean([t for _, t in inside]) - np.mean([c for c, _ in inside])) * len(inside)
    return total / len(confidences)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_each_agrees_with_an_independent_computation(seed):
    logits_NC, labels_N = draw(seed)
    found = metrics.from_probabilities(logits_NC, labels_N)
    p_NC = torch.softmax(torch.from_numpy(logits_NC).double(), dim=1)
    tested = sorted(set(labels_N.tolist()))
    assert found["nll"] == pytest.approx(float(torch.nn.functional.nll_loss(p_NC.log(), torch.from_numpy(labels_N))))
    p_NC = p_NC.numpy()
    assert found["brier"] == pytest.approx(sum(brier_score_loss(labels_N == c, p_NC[:, c]) for c in range(5)))
    right = [int(p.argmax()) == y for p, y in zip(p_NC, labels_N, strict=True)]
    assert found["ece"] == pytest.approx(gap([float(p.max()) for p in p_NC], right))
    own = [gap(p_NC[:, c].tolist(), (labels_N == c).tolist()) for c in tested]
    assert found["class-ece"] == pytest.approx(np.mean(own))
    for name, function in (("auroc", roc_auc_score), ("average-precision", average_precision_score)):
        assert found[name] == pytest.approx(np.mean([function(labels_N == c, p_NC[:, c]) for c in tested]))


@given(st.integers(0, 2**32 - 1))
def test_bins_of_confidence_add_up_to_the_calibration_error(seed):
    logits_NC, labels_N = draw(seed)
    p_NC = probabilistic.softmax(logits_NC)
    bins = probabilistic.reliability(p_NC, labels_N)
    assert len(bins) == 15
    for k, (rows, confidence, right) in enumerate(bins):
        inside = [
            (p.max(), p.argmax() == y) for p, y in zip(p_NC, labels_N, strict=True) if k / 15 < p.max() <= (k + 1) / 15
        ]
        assert (rows, right) == (len(inside), sum(hit for _, hit in inside))
        assert confidence == pytest.approx(sum(c for c, _ in inside), abs=1e-4)
    gaps = [abs(right - confidence) for _, confidence, right in bins]
    assert sum(gaps) / len(labels_N) == pytest.approx(probabilistic.ece(p_NC, labels_N), abs=1e-4)


def test_area_under_the_curve_is_the_share_of_pairs_in_order():
    logits_NC, labels_N = np.log([[0.6, 0.4], [0.3, 0.7], [0.3, 0.7], [0.1, 0.9]]), np.array([0, 0, 1, 1])
    assert metrics.from_probabilities(logits_NC, labels_N)["auroc"] == pytest.approx(3.5 / 4)


def test_likelihood_is_exact_where_probabilities_are_tiny():
    assert metrics.from_probabilities(np.array([[0.0, 90.0]]), np.array([0]))["nll"] == pytest.approx(90)


def test_one_class_has_no_ranking_and_infinite_logits_have_nothing():
    logits_NC, labels_N = np.zeros((3, 2)), np.zeros(3, dtype=np.int64)
    found = metrics.from_probabilities(logits_NC, labels_N)
    assert found["nll"] == pytest.approx(math.log(2)) and not {"auroc", "average-precision"} & set(found)
    for odd in (math.nan, math.inf, -math.inf):
        logits_NC[0, 0] = odd
        assert metrics.from_probabilities(logits_NC, labels_N, 2.0) == {}


def test_calibrated_values_are_those_of_logits_over_the_temperature():
    logits_NC, labels_N = draw(0, rows=400)
    scale = temperature(logits_NC, labels_N)
    found = metrics.from_probabilities(logits_NC, labels_N, scale)
    direct = metrics.from_probabilities(logits_NC.astype(np.float64) / scale, labels_N)
    assert found["temperature"] == scale and "temperature" not in direct
    assert found["calibrated-nll"] == pytest.approx(direct["nll"]) and found["calibrated-nll"] < found["nll"]
    assert found["calibrated-ece"] == pytest.approx(direct["ece"])
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert not any(metrics.get(name).higher_is_better for name in ("nll", "brier", "ece", "class-ece", "temperature"))
