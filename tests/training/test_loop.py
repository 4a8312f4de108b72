"""The training loop and the jobs around it: its loss, its schedule, frozen parts, exact continuation."""

from __future__ import annotations

import dataclasses
import functools
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from benchmarks.contract import tiny
from benchmarks.planning.store import Store
from benchmarks.running import job_state
from benchmarks.running.job import begin, run_job
from benchmarks.running.scoring import done_record
from benchmarks.running.session import Session
from benchmarks.suites.suite import Epochs, Recipe
from benchmarks.support.hardware import peak_memory_bytes
from benchmarks.training import checkpoint
from benchmarks.training.loop import run, weighted_cross_entropy
from benchmarks.training.schedule import learning_rate
from benchmarks.training.state import TrainingError
from strategies import registry
from strategies.base import Batch, Facts, Outputs, Phase, Step, Strategy
from strategies.common import weighted_mean
from tests.making import digits_session, digits_suite, with_phase


def test_the_loss_is_the_papers_formula_in_float64() -> None:
    draws = np.random.default_rng(0)
    for smoothing in (0.0, 0.1):
        logits = draws.normal(0, 5, (7, 4))
        weights, share = draws.uniform(0.1, 9, 4), draws.uniform(0, 1, (7, 1))
        target = share * np.eye(4)[draws.integers(0, 4, 7)] + (1 - share) * np.eye(4)[draws.integers(0, 4, 7)]
        log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        smoothed = (1 - smoothing) * target + smoothing / 4
        expected = -(smoothed * weights * log_p).sum() / (target * weights).sum()
        given = (torch.tensor(a) for a in (logits, target, weights))
        assert float(weighted_cross_entropy(*given, smoothing)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_it_is_torchs_weighted_cross_entropy_for_hard_and_for_mixed_targets(smoothing: float) -> None:
    logits, labels = torch.randn(9, 5, dtype=torch.float64), torch.randint(0, 5, (9,))
    weights = torch.rand(5, dtype=torch.float64) + 0.1
    torchs = functools.partial(torch.nn.functional.cross_entropy, logits, weight=weights, label_smoothing=smoothing)
    hard = torch.nn.functional.one_hot(labels, 5).double()
    torch.testing.assert_close(weighted_cross_entropy(logits, hard, weights, smoothing), torchs(labels))
    mixed = 0.3 * hard + 0.7 * hard.roll(1, 0)
    ours = weighted_cross_entropy(logits, mixed, weights, smoothing)
    torch.testing.assert_close(ours * (mixed @ weights).sum(), torchs(mixed, reduction="sum"))


def test_a_loss_without_a_column_per_label_is_refused() -> None:
    with pytest.raises(ValueError, match="do not sum over labels before it"):
        weighted_mean(torch.ones(3), torch.eye(3), torch.ones(3))


def test_the_one_cycle_rises_to_the_peak_and_falls_to_zero() -> None:
    recipe = Recipe(image_size=8, epochs=Epochs(), warmup=0.2)
    rates = [learning_rate(recipe, 0.5, step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.05)
    assert max(rates) == rates[20] == pytest.approx(0.5)
    assert rates[60] == pytest.approx(0.25)
    assert rates[99] == pytest.approx(0.25 * (1 + math.cos(math.pi * 79 / 80)))
    constant = recipe.model_copy(update={"schedule": "constant"})
    assert {learning_rate(constant, 0.5, step, 100) for step in range(100)} == {0.5}


def state_of(session: Session, key: str) -> dict[str, torch.Tensor]:
    return checkpoint.load(session.context.store.state(key))[0]


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("text", ["oversample-weak+minority-augment", "undersample+equalization+class-balanced"])
def test_a_job_interrupted_at_any_step_and_run_again_gives_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(job_state, "CHECKPOINT_SECONDS", 0.0)
    suite = digits_suite({"epochs": {"head": 3, "tail": 1}})
    whole = digits_session(tmp_path / "whole", suite, strategies=(text,), backbones=("test_resnet:mlp1",))
    key = whole.plan.cells[0].jobs[0][0]
    expected = run_job(whole.context, whole.plan.jobs[key])

    broken = dataclasses.replace(whole.context, store=Store(tmp_path / "broken"))

    class Killed(BaseException):
        pass

    for fatal in (2, 9, 13):

        def step_until(step: int, steps: int, fatal: int = fatal) -> None:
            if step == fatal:
                raise Killed

        with pytest.raises(Killed):
            run_job(broken, whole.plan.jobs[key], step_until)
        assert broken.store.result(key) is None
    result = run_job(broken, whole.plan.jobs[key])
    assert len(result.losses) == result.epochs == 3
    assert (result.losses, result.accuracies) == (expected.losses, expected.accuracies)
    assert result.images == expected.images
    assert same(state_of(whole, key), checkpoint.load(broken.store.state(key))[0])
    for name, logits in whole.context.store.predictions(key).items():
        np.testing.assert_array_equal(logits, broken.store.predictions(key)[name])


@pytest.mark.parametrize("text", ["t-counts", "t-counts+mixup"])
def test_the_accuracy_of_an_epoch_is_that_of_its_batches_and_is_recorded(
    tmp_path: Path, own_registry: None, text: str
) -> None:
    hits: list[list[bool]] = []

    @registry.register
    @dataclasses.dataclass(frozen=True)
    class Counts(Strategy):
        name: ClassVar[str] = "t-counts"

        def after_step(self, network: Any, outputs: Outputs, batch: Batch, step: Step) -> None:
            right = [int(np.argmax(z)) == int(y) for z, y in zip(outputs.logits_BC, batch.labels_B, strict=True)]
            hits.append(right)

    session = digits_session(tmp_path, digits_suite({"epochs": {"head": 3, "tail": 1}}), strategies=(text,))
    cell = session.plan.cells[0]
    result = run_job(session.context, session.plan.jobs[cell.jobs[0][-1]])
    steps = len(hits) // 3
    expected = [float(np.mean(np.concatenate(hits[k * steps : (k + 1) * steps]))) for k in range(3)]
    assert result.accuracies == pytest.approx(expected)
    assert 0 < result.accuracies[0] < result.accuracies[-1]
    run_job(session.context, session.plan.jobs[cell.jobs[1][-1]])
    head = done_record(session.context, session.plan, cell).stages[0]
    assert head.losses == pytest.approx(result.losses, abs=1e-6)
    assert head.accuracies == pytest.approx(expected, abs=1e-6)
    assert sum(rows for rows, _, _ in head.reliability) == head.rows
    assert sum(right for _, _, right in head.reliability) == sum(head.top1_hits)


def test_a_record_counts_all_epochs_of_its_state_whatever_plan_cut_them(tmp_path: Path) -> None:
    suite = digits_suite({"epochs": {"head": 4, "tail": 4}})
    both = digits_session(tmp_path, suite, strategies=("none", "crt"))
    for job in both.plan.jobs.values():
        run_job(both.context, job)
    later = digits_session(tmp_path, suite, strategies=("tau-norm",))  # what acts on the result of plain training
    first = next(iter(later.plan.jobs.values()))
    assert first.epochs == 4 and run_job(later.context, first).epochs < 4  # stored, and only the end of the stage
    for job in later.plan.jobs.values():
        run_job(later.context, job)
    for session in (both, later):
        record = done_record(session.context, session.plan, session.plan.cells[0])
        assert [stage.epochs for stage in record.stages] == [4, 4]
        assert [len(stage.losses) for stage in record.stages] == [4, 4]
        assert record.cost.seconds_alone == pytest.approx(sum(stage.seconds for stage in record.stages))


def test_the_second_stage_starts_from_the_backbone_of_the_first_with_a_new_classifier(tmp_path: Path) -> None:
    session = digits_session(tmp_path)
    head, tail = (chain[-1] for chain in session.plan.cells[0].jobs)
    run_job(session.context, session.plan.jobs[head])
    trained = state_of(session, head)
    started = begin(session.context, session.plan.jobs[tail]).network.state_dict()
    assert all(torch.equal(trained[n], t) for n, t in started.items() if n.startswith(("encoder", "pool")))
    assert not torch.equal(trained["classifier.weight"], started["classifier.weight"])


def test_a_strategys_own_classifier_is_a_function_of_the_seed(tmp_path: Path) -> None:
    session = digits_session(tmp_path, digits_suite({}, seeds=2), strategies=("ldam",))
    first, second = (session.plan.jobs[cell.jobs[0][0]] for cell in session.plan.cells)
    torch.manual_seed(1)
    one = begin(session.context, first).network.classifier.state_dict()
    torch.manual_seed(2)
    again = begin(session.context, first).network.classifier.state_dict()
    other = begin(session.context, second).network.classifier.state_dict()
    assert same(one, again)
    assert not same(one, other)


def test_training_only_the_classifier_leaves_the_rest_and_its_statistics_as_they_were(tmp_path: Path) -> None:
    session = digits_session(tmp_path)
    job = with_phase(session.plan.jobs[session.plan.cells[0].jobs[0][0]], trains="classifier")
    training = begin(session.context, job)
    before = {n: t.clone() for n, t in training.network.state_dict().items()}
    run(training, lambda *_: None, lambda _: None)
    after = training.network.state_dict()
    assert all(torch.equal(before[n], t) for n, t in after.items() if not n.startswith("classifier"))
    assert not torch.equal(before["classifier.weight"], after["classifier.weight"])


def test_a_training_leaves_the_global_generators_alone(tmp_path: Path) -> None:
    session = digits_session(tmp_path)
    torch.manual_seed(11)
    np.random.seed(11)  # noqa: NPY002 - the global generator is what is tested
    expected = torch.rand(3), np.random.rand(3)  # noqa: NPY002
    torch.manual_seed(11)
    np.random.seed(11)  # noqa: NPY002
    run_job(session.context, session.plan.jobs[session.plan.cells[0].jobs[0][0]])
    assert torch.equal(expected[0], torch.rand(3))
    np.testing.assert_array_equal(expected[1], np.random.rand(3))  # noqa: NPY002


def test_seconds_after_the_last_epoch_are_part_of_the_cost(tmp_path: Path, own_registry: None) -> None:
    @registry.register
    @dataclasses.dataclass(frozen=True)
    class Slow(Strategy):
        name: ClassVar[str] = "t-slow"

        def phases(self, epochs: int, facts: Facts) -> Sequence[Phase]:
            return (Phase(0, epochs, active=False), Phase(epochs, epochs, "classifier"))

        def after_training(self, network: Any, facts: Facts, trained: Any) -> None:
            time.sleep(0.3)

    with tiny.backbone():
        plan, context = tiny.session(["none", "t-slow"], tmp_path)
        results = [(job, run_job(context, job)) for job in plan.jobs.values()]
        plain, slow = (done_record(context, plan, cell) for cell in plan.cells)
    assert [result.seconds >= 0.3 for job, result in results if not job.epochs] == [True, True]
    for one, other in zip(plain.stages, slow.stages, strict=True):
        assert other.epochs == one.epochs and other.seconds >= one.seconds + 0.3


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="this system keeps a process's peak")
def test_a_jobs_peak_memory_is_its_own(tmp_path: Path) -> None:
    session = digits_session(tmp_path)
    block = b"x" * (300 << 20)
    del block
    before = peak_memory_bytes("cpu")
    result = run_job(session.context, next(iter(session.plan.jobs.values())))
    assert result.peak_memory_bytes < before - (200 << 20)


def test_a_loss_that_is_not_finite_ends_the_training_with_a_sentence(tmp_path: Path) -> None:
    session = digits_session(tmp_path, digits_suite({"learning_rate": 1e30}))
    with pytest.raises(TrainingError, match="the loss became nan in epoch 1|the loss became inf"):
        run_job(session.context, session.plan.jobs[session.plan.cells[0].jobs[0][0]])


def test_a_truncated_or_altered_checkpoint_is_told_from_a_good_one(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    checkpoint.save(path, {"a": torch.arange(6.0), "b": torch.ones(2, dtype=torch.int64)}, {"epoch": 3})
    tensors, numbers = checkpoint.load(path)
    assert numbers == {"epoch": 3} and tensors["a"].tolist() == [0, 1, 2, 3, 4, 5]
    content = path.read_bytes()
    for damaged in (b"", content[:20], content[:-1], content[:-3] + b"\xff\xff\xff"):
        path.write_bytes(damaged)
        with pytest.raises(checkpoint.CheckpointError, match="left aside"):
            checkpoint.load(path)
