"""Schedules of the literature: where they switch, what they share, what they freeze; through the real trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.running.job import begin, run_job
from benchmarks.running.session import Session
from benchmarks.training import checkpoint
from benchmarks.training import loop as train
from strategies.base import Facts, Phase, Progress
from strategies.combining.expression import parse
from strategies.study.loss_weights import LossWeights
from tests.making import digits_session, digits_suite, with_phase
from tests.planning.test_plan import EPOCHS, plan

FACTS = Facts((5000, 70, 1, 0), ("a", "b", "c", "d"))
START = Progress(0, 10)
SCHEDULES = ["drw", "drs", "crt", "drw+loss-weights", "drs+oversample", "drs+oversample-weak(threshold=1)"]


def acted(text: str, epochs: int) -> list[tuple[int, int, str]]:
    strategy = parse(text)
    return [(p.start, p.end, str(strategy.acting(p))) for p in strategy.phases(epochs, FACTS)]


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 60))
@pytest.mark.parametrize("name", ["drw", "drs", "crt"])
def test_a_schedule_acts_for_at_least_one_epoch_of_any_stage(name: str, start: float, epochs: int) -> None:
    *before, last = acted(f"{name}(start={start!r})", epochs)
    assert last[0] < last[1] == epochs and last[2].startswith(name)
    assert abs(last[0] - start * epochs) <= 0.5 or last[0] == epochs - 1
    assert before == ([(0, last[0], "")] if last[0] else [])


@pytest.mark.parametrize(("epochs", "begins"), [(1, 0), (2, 1), (5, 4), (10, 8), (200, 160)])
def test_deferred_from_epoch_160_of_200_and_alike(epochs: int, begins: int) -> None:
    assert acted("drw", epochs)[-1] == acted("drs", epochs)[-1][:2] + ("drw",) == (begins, epochs, "drw")


def test_the_weights_are_the_effective_numbers_of_the_paper() -> None:
    for beta in (0.0, 0.9, 0.9999, 0.999999):
        raw = [(1 - beta) / (1 - beta**n) for n in (5000, 70, 1)]
        expected = [3 * w / sum(raw) for w in raw] + [1.0]
        weights_C = parse(f"drw(beta={beta})").class_weights_C(FACTS, START)
        assert weights_C is not None and weights_C.dtype == np.float64
        np.testing.assert_allclose(weights_C, expected, rtol=1e-6)
        assert weights_C.sum() == pytest.approx(4)


@pytest.mark.parametrize("beta", [0.0, 0.99, 0.9999])
def test_deferred_samples_are_drawn_by_the_inverse_effective_number_of_their_class(beta: float) -> None:
    effective = [sum(beta**k for k in range(n)) for n in (5000, 70, 1)]
    drawn = [n / e for n, e in zip((5000, 70, 1), effective, strict=True)]
    p_C = parse(f"drs(beta={beta})").sampling_C(FACTS, START)
    np.testing.assert_allclose(p_C, [*(d / sum(drawn) for d in drawn), 0], rtol=1e-6)  # type: ignore[arg-type]


def test_alone_each_has_its_own_and_with_another_it_only_defers() -> None:
    assert acted("minority-augment+drw", 10) == [
        (0, 8, "minority-augment"),
        (8, 10, "minority-augment+drw"),
    ]
    assert acted("drw+loss-weights", 10) == [(0, 8, ""), (8, 10, "loss-weights")]
    assert acted("oversample-rare+drs(start=0.5)", 10) == [(0, 5, ""), (5, 10, "oversample-rare")]
    assert acted("drw+oversample", 10) == [(0, 8, "oversample"), (8, 10, "drw+oversample")]
    assert acted("drs+undersample", 10) == [(0, 8, ""), (8, 10, "undersample")]
    assert acted("ldam+drw", 10) == [(0, 8, "ldam"), (8, 10, "ldam+drw")]
    assert acted("class-balanced+drw", 10) == [(0, 8, ""), (8, 10, "class-balanced")]
    assert acted("drw+loss-weights+drs+oversample", 10) == [(0, 8, ""), (8, 10, "loss-weights+oversample")]
    weights_C = parse("drw+loss-weights").class_weights_C(FACTS, START)
    np.testing.assert_array_equal(weights_C, LossWeights().class_weights_C(FACTS, START))  # type: ignore[arg-type]
    rare_C = parse("oversample-rare").sampling_C(FACTS, START)
    np.testing.assert_array_equal(parse("drs+oversample-rare").sampling_C(FACTS, START), rare_C)  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "late"), [("drw", 2), ("drs", 2), ("crt", 1), ("drw+loss-weights", 2)])
def test_all_but_the_last_segment_is_plain_trainings(text: str, late: int) -> None:
    made = plan("none", text)
    plain, cell = made.cells
    assert cell.jobs[0][0] == plain.jobs[0][0]
    # The second stage starts from another network, and shares nothing.
    assert made.epochs_executed() == made.epochs_asked() - (EPOCHS - late)


def run_cell(session: Session, number: int = -1) -> list[dict[str, torch.Tensor]]:
    """Run the first stage of a cell; return the states along its chain."""
    for key in session.plan.cells[number].jobs[0]:
        run_job(session.context, session.plan.jobs[key])
    return [checkpoint.load(session.context.store.state(k))[0] for k in session.plan.cells[number].jobs[0]]


@pytest.mark.parametrize("text", SCHEDULES)
def test_the_trainer_switches_at_the_epoch(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, bool, bool]] = []
    one_epoch = train.one_epoch

    def watched(training: Any, on_step: Any) -> Any:
        rows_N = train.epoch_rows(training, Progress(training.epoch, 3), (0, 1, training.epoch))
        again = len(np.unique(rows_N)) < len(rows_N)  # drawn with replacement
        weights_C = train.scaled_weights(training, Progress(training.epoch, 3))
        seen.append((training.epoch, again, bool((weights_C != 1).any())))
        return one_epoch(training, on_step)

    monkeypatch.setattr(train, "one_epoch", watched)
    session = digits_session(tmp_path, digits_suite({"epochs": {"head": 3, "tail": 1}}), strategies=(text,))
    run_cell(session)
    sampled, weighted = text.startswith(("drs", "crt")), text.startswith("drw")
    assert seen == [(0, False, False), (1, False, False), (2, sampled, weighted)]


def test_retraining_starts_a_new_classifier_and_freezes_all_else_bit_for_bit(tmp_path: Path) -> None:
    suite = digits_suite({"epochs": {"head": 3, "tail": 1}})
    session = digits_session(tmp_path, suite, strategies=("none", "crt(start=0.5)"))
    before, after = run_cell(session)
    below = [name for name in before if name.startswith(("encoder", "pool"))]
    assert any("running_mean" in name for name in below)
    assert all(torch.equal(before[name], after[name]) for name in below)
    job = session.plan.jobs[session.plan.cells[1].jobs[0][-1]]
    assert job.segment.phase == Phase(2, 3, "classifier", new_classifier=True, rate_over=(2, 3))
    assert not torch.equal(before["classifier.weight"], after["classifier.weight"])
    plain = run_cell(session, 0)
    assert all(torch.equal(plain[0][name], before[name]) for name in before), "the first part is plain training's"


def test_the_learning_rate_of_a_retraining_runs_its_whole_course(tmp_path: Path) -> None:
    suite = digits_suite({"epochs": {"head": 4, "tail": 1}, "schedule": "cosine"})
    session = digits_session(tmp_path, suite, strategies=("crt(start=0.5)",))
    *_, last = (session.plan.jobs[key] for key in session.plan.cells[0].jobs[0])
    training = begin(session.context, last)
    training.epoch = last.start
    # Half of the course is done after its first epoch; of the stage's own, three quarters would be (0.015).
    assert train.one_epoch(training, lambda *_: None).learning_rate == pytest.approx(0.05, rel=0.2)


def test_cutting_a_retraining_changes_no_bit(tmp_path: Path) -> None:
    suite = digits_suite({"epochs": {"head": 3, "tail": 1}})
    alone = digits_session(tmp_path / "alone", suite, strategies=("crt(start=0.3)",))
    cut = digits_session(tmp_path / "cut", suite, strategies=("crt(start=0.3)", "crt(start=0.3)+drw(start=0.6)"))
    whole, parts = run_cell(alone), run_cell(cut, 0)
    assert (len(whole), len(parts)) == (2, 3)
    assert alone.plan.cells[0].jobs[0][-1] == cut.plan.cells[0].jobs[0][-1]
    assert all(torch.equal(whole[-1][name], parts[-1][name]) for name in whole[-1])


def test_a_segment_may_train_one_parameter_by_name(tmp_path: Path) -> None:
    session = digits_session(tmp_path)
    job = with_phase(session.plan.jobs[session.plan.cells[0].jobs[0][0]], trains="classifier.bias")
    training = begin(session.context, job)
    assert [n for n, p in training.network.named_parameters() if p.requires_grad] == ["classifier.bias"]
    assert not any(module.training for module in training.network.modules())
