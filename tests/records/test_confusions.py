"""Scores from stored confusions against scikit-learn's, which take rows."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, matthews_corrcoef, precision_score

from benchmarks.records import confusions, metrics
from benchmarks.records.hits import hits
from tests.leaderboard import make


@given(st.integers(0, 2**32 - 1))
def test_scores_of_a_record_are_those_of_its_rows(seed):
    draws = np.random.default_rng(seed)
    labels_N = np.repeat([0, 1, 3], [20, 7, 3])  # class 2 has no test rows
    logits_NC = draws.normal(size=(30, 4)) + np.eye(4)[labels_N]
    right_N, guesses_N = hits(logits_NC, labels_N, 1), logits_NC.argmax(axis=1)
    stage = make.stage_result(train_n=(9, 9, 9, 9), test_n=(20, 7, 0, 3), hits_N=right_N)
    record = dataclasses.replace(
        make.record((stage,)), extra={"confusions": {"all": confusions.count(logits_NC, labels_N, right_N)}}
    )
    found = metrics.of_stage(record, 0)
    only = {"labels": [0, 1, 3], "zero_division": 0}
    assert found["macro-f1"] == pytest.approx(f1_score(labels_N, guesses_N, average="macro", **only))
    assert found["mcc"] == pytest.approx(matthews_corrcoef(labels_N, guesses_N))
    precision_C = precision_score(labels_N, guesses_N, labels=range(4), average=None, zero_division=math.nan)
    assert confusions.precision(confusions.predictions(record, 0)) == pytest.approx(precision_C, nan_ok=True)


def test_a_row_without_a_prediction_is_a_miss_of_its_class_alone():
    labels_N, guesses_N = np.array([0, 0, 1, 1, 1]), np.array([0, 2, 1, 0, 2])  # 2: predicted as nothing
    predicted_CC, test_C = np.array([[1, 0], [1, 1]]), np.array([2, 3])
    assert confusions.macro_f1(predicted_CC, test_C) == pytest.approx(
        f1_score(labels_N, guesses_N, labels=[0, 1], average="macro")
    )
    assert confusions.matthews(predicted_CC, test_C) == pytest.approx(matthews_corrcoef(labels_N, guesses_N))


def test_without_rows_unknown_and_without_confusions_absent():
    zero_CC, zero_C = np.zeros((2, 2), dtype=np.int64), np.zeros(2, dtype=np.int64)
    assert math.isnan(confusions.macro_f1(zero_CC, zero_C)) and math.isnan(confusions.matthews(zero_CC, zero_C))
    assert confusions.matthews(np.array([[3, 0], [2, 0]]), np.array([3, 2])) == 0.0
    found = metrics.of_stage(make.record((make.stage_result(),)), 0)
    assert "class-mean" in found and not {"macro-f1", "mcc", "nll"} & set(found)
