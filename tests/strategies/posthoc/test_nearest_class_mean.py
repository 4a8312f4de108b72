"""The nearest class mean: scores against the formula, empty classes, and that nothing is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.running.job import begin, run_job
from benchmarks.training.features import features_of_rows
from strategies.base import Facts, Trained
from strategies.combining.expression import parse
from tests.making import digits_session, digits_suite
from tests.planning.test_plan import EPOCHS, plan

FACTS = Facts((40, 6, 1, 0, 3), ("a", "b", "c", "d", "e"))


def reference(metric: str, f_NF: np.ndarray, rows_NF: np.ndarray, labels_N: np.ndarray, classes: int) -> np.ndarray:
    """Return the scores [N, C] in float64, NaN for classes without samples."""
    score_NC = np.full((len(f_NF), classes), np.nan)
    for c in np.unique(labels_N):
        own = rows_NF[labels_N == c]
        for n, f in enumerate(f_NF):
            if metric == "cosine":
                mean = sum(own) / len(own)
                score_NC[n, c] = f @ mean / np.sqrt(f @ f) / np.sqrt(mean @ mean)
            else:
                mean = sum(x / np.sqrt(x @ x) for x in own) / len(own)
                score_NC[n, c] = -(((f / np.sqrt(f @ f)) - mean) ** 2).sum()
    return score_NC


@pytest.mark.parametrize("metric", ["cosine", "euclid"])
@pytest.mark.parametrize("size", [1.0, 1e4, 1e-4])
def test_scores_are_the_papers_and_empty_classes_never_win(metric: str, size: float) -> None:
    draws = np.random.default_rng(0)
    labels_N = np.repeat(np.arange(5), FACTS.counts_C)
    rows_NF = size * draws.normal(1.0, 1.0, (len(labels_N), 6)).astype(np.float32)
    f_NF = size * draws.normal(0, 3, (20, 6)).astype(np.float32)
    strategy = parse(f"nearest-class-mean(metric={metric})")
    net = torch.nn.Module()
    net.classifier = strategy.classifier(torch.nn.Linear(6, 5), 6, FACTS)
    strategy.after_training(net, FACTS, Trained(tuple, lambda: (rows_NF, labels_N)))
    score_NC = net.classifier(torch.from_numpy(f_NF)).numpy()
    expected_NC = reference(metric, f_NF.astype(np.float64), rows_NF.astype(np.float64), labels_N, 5)
    present = [0, 1, 2, 4]
    np.testing.assert_allclose(score_NC[:, present], expected_NC[:, present], rtol=1e-5, atol=1e-6)
    assert (score_NC[:, 3] < score_NC[:, present].min()).all() and np.isfinite(score_NC).all()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        np.testing.assert_array_equal(net.classifier(torch.from_numpy(f_NF)).numpy(), score_NC)


def test_features_of_zero_and_opposite_ones_beat_an_empty_class() -> None:
    for metric in ("cosine", "euclid"):
        strategy = parse(f"nearest-class-mean(metric={metric})")
        classifier = strategy.classifier(torch.nn.Linear(2, 5), 2, FACTS)
        classifier.fill(np.array([[1.0, 0.0]], dtype=np.float32), np.array([1]))
        for f in ([0.0, 0.0], [-1.0, 0.0], [1e20, 1e20]):
            assert classifier(torch.tensor([f])).argmax().item() == 1


def test_nothing_is_trained_and_the_means_are_the_training_rows(tmp_path: Path) -> None:
    made = plan("none", "nearest-class-mean")
    assert made.epochs_executed() == 2 * EPOCHS, "the second stage starts from the same network, and is shared too"
    suite = digits_suite({"epochs": {"head": 2, "tail": 1}})
    session = digits_session(tmp_path, suite, strategies=("nearest-class-mean",), backbones=("test_resnet:mlp1",))
    *before, last = (session.plan.jobs[key] for key in session.plan.cells[0].jobs[0])
    results = [run_job(session.context, job) for job in (*before, last)]
    assert results[-1].epochs == results[-1].images == 0
    stage = session.context.stages[0]
    training = begin(session.context, last)
    from benchmarks.training import checkpoint

    state = checkpoint.load(session.context.store.state(before[-1].key))[0]
    names = set(training.network.state_dict())
    training.network.load_state_dict(
        {**training.network.state_dict(), **{n: t for n, t in state.items() if n in names}}
    )
    features_NF, labels_N = features_of_rows(training)
    with torch.no_grad():
        test_NF = training.network.eval().features(training.batcher.evaluation(stage.data.test_rows)).numpy()
    expected_NC = reference("cosine", test_NF.astype(np.float64), features_NF.astype(np.float64), labels_N, 5)
    logits_NC = session.context.store.predictions(last.key)["test"]
    np.testing.assert_allclose(logits_NC, expected_NC, rtol=1e-4, atol=1e-5)
    assert (logits_NC.argmax(1) == stage.labels_N[stage.data.test_rows]).mean() > 0.5


def test_it_joins_with_what_trains_the_network() -> None:
    assert str(parse("oversample+nearest-class-mean")) == "oversample+nearest-class-mean"
