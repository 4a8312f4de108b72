"""MiSLAS: mixup's representation, then classifier and scales with smoothed labels and moving batch-norm statistics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.running.job import begin
from strategies.base import Facts, Phase, Progress
from strategies.combining.expression import parse
from tests.making import digits_session, digits_suite
from tests.planning.test_plan import EPOCHS, plan
from tests.strategies.paper import BALANCED, EXTREME, TYPICAL, Case, compare, log_softmax
from tests.strategies.schedules.test_schedules import acted, run_cell

FACTS = Facts((50, 7, 1, 0), ("a", "b", "c", "d"))


def smoothed(z_C: np.ndarray, row: int, case: Case) -> list[float]:
    """Return label-aware smoothing, concave, from 0.1 to 0.4."""
    n = [k for k in case.counts if k]
    log_p_C = log_softmax(z_C)

    def of_label(y: int) -> float:
        rank = (case.counts[y] - min(n)) / (max(n) - min(n)) if max(n) > min(n) else 0.0
        e = 0.1 + 0.3 * np.sin(np.pi / 2 * rank)
        return -float((1 - e) * log_p_C[y] + e / (len(log_p_C) - 1) * (log_p_C.sum() - log_p_C[y]))

    return [of_label(y) for y in range(len(z_C))]


@pytest.mark.parametrize("case", [TYPICAL, EXTREME, BALANCED])
def test_the_loss_is_the_papers_smoothing(case: Case) -> None:
    compare("mislas", smoothed, case)


def test_mixup_then_the_classifier_for_10_of_210_epochs() -> None:
    assert acted("mislas", 210) == [(0, 200, "mixup(alpha=1.0)"), (200, 210, "mislas")]
    assert acted("mislas", 1) == [(0, 1, "mislas")]
    assert acted("mislas(alpha=0.2,start=0.5)+drw(start=0.5)", 4) == [
        (0, 2, "mixup"), (2, 4, "mislas(alpha=0.2,start=0.5)+drw(start=0.5)"),
    ]  # fmt: skip
    made = plan("mixup(alpha=1)", "mislas", "none")
    mixup, cell, _ = made.cells
    job = made.jobs[cell.jobs[0][-1]]
    assert cell.jobs[0][0] == mixup.jobs[0][0], "the representation is mixup's own"
    start = round(0.95 * EPOCHS - 0.1)
    assert job.segment.phase == Phase(start, EPOCHS, "classifier", rate_over=(start, EPOCHS), moving_statistics=True)


def test_classes_are_drawn_equally_often_in_the_second_part() -> None:
    np.testing.assert_allclose(parse("mislas").sampling_C(FACTS, Progress(9, 10)), [1 / 3, 1 / 3, 1 / 3, 0])  # type: ignore[arg-type]


def test_the_classifiers_gradients_are_scaled_and_the_scales_are_not() -> None:
    features_BF = torch.randn(5, 6)
    whole = torch.nn.Linear(6, 4)
    scaled = torch.nn.Linear(6, 4)
    scaled.load_state_dict(whole.state_dict())
    scaled = parse("mislas(rate-factor=0.25)").classifier(scaled, 6, FACTS)
    plain = parse("lws").classifier(whole, 6, FACTS)
    for classifier in (plain, scaled):
        classifier(features_BF).square().sum().backward()
    torch.testing.assert_close(scaled.weight.grad, 0.25 * plain.weight.grad)
    torch.testing.assert_close(scaled.bias.grad, 0.25 * plain.bias.grad)
    torch.testing.assert_close(scaled.class_scale_C.grad, plain.class_scale_C.grad)


def test_through_the_trainer_only_classifier_scales_and_statistics_change(tmp_path: Path) -> None:
    suite = digits_suite({"epochs": {"head": 2, "tail": 1}})
    session = digits_session(tmp_path, suite, strategies=("mislas(start=0.5)",))
    last = session.plan.jobs[session.plan.cells[0].jobs[0][-1]]
    before, after = run_cell(session)
    changed = {n for n in before if not n.startswith("optimizer") and not torch.equal(before[n], after[n])}
    statistics = {n for n in before if n.endswith(("running_mean", "running_var", "num_batches_tracked"))}
    assert statistics and changed == statistics | {"classifier.weight", "classifier.bias"}
    assert (after["classifier.class_scale_C"] != 1).all()
    hooked = begin(session.context, last).network.classifier
    hooked(torch.randn(3, 96)).sum().backward()
    assert hooked.weight.grad is not None and hooked.class_scale_C.grad is not None
