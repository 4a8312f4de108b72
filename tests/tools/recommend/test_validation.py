"""What cells predicted for validation rows, against scikit-learn's Brier score on calibrated probabilities."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.metrics import brier_score_loss

from benchmarks.contract import tiny
from benchmarks.planning.store import Store
from benchmarks.running.job import run_job
from benchmarks.tools.recommend import goals
from benchmarks.tools.recommend.validation import predictions


def test_graded_accuracy_is_one_minus_half_the_brier_score_after_temperature_scaling(tmp_path: Path) -> None:
    with tiny.backbone():
        plan, context = tiny.session(["none"], tmp_path, epochs=1)
        for job in plan.jobs.values():
            run_job(context, job)
    (cell,), stage, store = plan.cells, context.stages[-1], context.store
    draws, key = np.random.default_rng(0), cell.jobs[-1][-1]
    labels_N = stage.labels_N[stage.data.validation_rows]
    stored = dict(store.predictions(key))
    logits_NC = draws.normal(size=stored["validation"].shape)
    logits_NC[0, labels_N[0]] += 9  # one row is right, and the others make the temperature high
    store.write_predictions(key, **{**stored, "validation": 5 * logits_NC.astype(np.float32)})
    found = predictions(store, [(cell, stage), (dataclasses.replace(cell, seed=1), stage)])["none"]
    assert found.by_seed.keys() == found.graded_by_seed.keys() == {0, 1}

    def nll(log_t: float) -> float:
        return -float(log_softmax(5 * logits_NC / np.exp(log_t), axis=1)[np.arange(len(labels_N)), labels_N].mean())

    t = np.exp(minimize_scalar(nll, bounds=(-2.9, 2.9), method="bounded", options={"xatol": 1e-9}).x)
    assert 2 < t < 15
    classes = range(logits_NC.shape[1])
    expected = brier_score_loss(labels_N, softmax(5 * logits_NC / t, axis=1), labels=classes, scale_by_half=False)
    assert goals.graded("top-1", found) == pytest.approx(1 - expected / 2, abs=1e-4)


def test_a_network_that_broke_has_no_graded_accuracy_there(tmp_path: Path) -> None:
    with tiny.backbone():
        plan, context = tiny.session(["none"], tmp_path, epochs=1)
        for job in plan.jobs.values():
            run_job(context, job)
    (cell,), stage = plan.cells, context.stages[-1]
    stored = dict(Store(tmp_path).predictions(cell.jobs[-1][-1]))
    stored["validation"] = stored["validation"].copy()
    stored["validation"][0] = np.nan
    context.store.write_predictions(cell.jobs[-1][-1], **stored)
    found = predictions(context.store, [(cell, stage)])["none"]
    order_N = np.argsort(stage.labels_N[stage.data.validation_rows], kind="stable")
    broken = int(np.flatnonzero(order_N == 0)[0])
    assert found.by_seed[0][broken] == -1 and found.graded_by_seed[0][broken] == 0
    assert np.isfinite(found.graded_by_seed[0]).all()
