"""What goes wrong in a machine: a full disk, memory that runs out, files that were damaged."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.cli import main
from benchmarks.leaderboard import files
from benchmarks.planning.store import Store
from benchmarks.progress.events import Event, Note
from benchmarks.progress.reporter import Reporters
from benchmarks.records import storage
from benchmarks.running import job as job_module
from benchmarks.running.attempts import AttemptLog
from benchmarks.running.job import begin, run_job
from benchmarks.running.local import execute
from benchmarks.running.session import Session
from benchmarks.support.disk import DiskFull
from benchmarks.tools.status import look
from benchmarks.training import checkpoint, passes, predict
from benchmarks.training import loop as train_module
from benchmarks.training.forward import forward
from benchmarks.training.loop import one_epoch
from benchmarks.training.microbatches import gradients_in_pieces
from strategies.base import Batch, Outputs
from tests.making import BACKBONE, digits_session, digits_suite
from tests.process import bench, write_suite
from tests.running.test_kill import measured

BOARD = Path("digits-test/leaderboard.md")


class Notes:
    """Keeps the notes of a run."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def tell(self, event: Event) -> None:
        if isinstance(event, Note):
            self.lines.append(event.line)


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return what a run measures on a disk that has room."""
    folder = tmp_path_factory.mktemp("roomy")
    assert bench(folder, "run", "--all", "--suite", write_suite(folder)).returncode == 0
    return measured(folder / "runs")


@pytest.mark.parametrize(("free", "jobs"), [(1_000_000, 0), (5_000_000, 1)])  # a state has 3 MB
def test_a_disk_that_fills_ends_the_run_and_what_is_trained_is_used_once_there_is_room(
    small_disk: Path, tmp_path: Path, roomy: dict[str, str], free: int, jobs: int
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - free))
    arguments = ["run", "--all", "--suite", write_suite(tmp_path)]
    filled = bench(tmp_path, *arguments, "--out", small_disk)
    assert filled.returncode == 2
    assert re.fullmatch(
        r"error: .* has \d\.\d MB left, and the next job writes 3\.\d MB; make room .*\n", filled.stderr
    )
    trained = {path: path.read_bytes() for path in small_disk.glob(".work/jobs/*/result.json")}
    assert len(trained) == jobs
    assert not list(small_disk.rglob("*.tmp"))
    assert storage.read_all(small_disk / "tiny" / "records") == ([], [])

    ballast.unlink()
    done = bench(tmp_path, *arguments, "--out", small_disk)
    assert done.returncode == 0, done.stderr + done.stdout
    assert measured(small_disk) == roomy != {}
    assert all(path.read_bytes() == content for path, content in trained.items())


def test_a_disk_that_fills_while_a_job_trains_ends_the_run(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_module, "require_room", lambda *_: None)
    (small_disk / "ballast").write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 1_000_000))
    session = digits_session(small_disk)
    with pytest.raises(DiskFull, match="cannot be written .No space left on device.; make room and run the command"):
        execute(session.plan, session.context, small_disk, Reporters())
    assert not session.context.store.result(_first(session)) and not list(small_disk.rglob("*.tmp"))


def test_attempts_are_counted_where_a_full_disk_does_not_take_them(tmp_path: Path) -> None:
    (tmp_path / "attempts").touch()  # nothing can be written below
    attempts = AttemptLog()
    assert not attempts.note(tmp_path, "job", "killed").exhausted
    assert attempts.note(tmp_path, "job", "killed").reason == "killed (2 attempts)"
    assert attempts.of(tmp_path, "job").exhausted and not attempts.of(tmp_path, "other").reasons
    attempts.forget(tmp_path)
    assert not attempts.of(tmp_path, "job").reasons


def _first(session: Session) -> str:
    return session.plan.cells[0].jobs[0][0]


@pytest.mark.parametrize("fatal", [3, 16])
def test_a_damaged_checkpoint_is_left_for_the_one_before_it_in_one_line(tmp_path: Path, fatal: int) -> None:
    session = digits_session(tmp_path / "whole")
    key = _first(session)
    run_job(session.context, session.plan.jobs[key])
    broken = dataclasses.replace(session.context, store=Store(tmp_path / "broken"), checkpoint_seconds=0.0)

    def die(step: int, steps: int) -> None:
        if step == fatal:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_job(broken, session.plan.jobs[key], die)
    newest = broken.store.checkpoint(key)
    step = checkpoint.load(newest)[1]["step"]
    assert checkpoint.load(checkpoint.previous(newest))[1]["step"] in (step - 1, 0)
    newest.write_bytes(newest.read_bytes()[:-7])
    lines: list[str] = []
    run_job(broken, session.plan.jobs[key], say=lines.append)
    assert len(lines) == 1
    assert str(newest) in lines[0] and "continues from the one before" in lines[0]
    assert not list(broken.store.folder(key).glob("*checkpoint*"))
    one, other = (checkpoint.load(store.state(key))[0] for store in (session.context.store, broken.store))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_another_jobs_checkpoint_and_altered_numbers_are_not_gone_on_from(tmp_path: Path) -> None:
    session = digits_session(tmp_path)
    head, tail = (chain[0] for chain in session.plan.cells[0].jobs)
    path = session.context.store.checkpoint(head)
    checkpoint.save(path, {"a": torch.ones(1)}, {"job": tail, "epoch": 1})
    state, damaged = checkpoint.newest(path, head)
    assert state is None and "another job's" in damaged[0]
    path.write_bytes(path.read_bytes().replace(b'epoch\\": 1', b'epoch\\": 2'))
    with pytest.raises(checkpoint.CheckpointError, match="checksum"):
        checkpoint.load(path)


def test_a_damaged_state_of_a_parent_is_made_again(tmp_path: Path) -> None:
    session = digits_session(tmp_path)
    cell = session.plan.cells[0]
    head = cell.jobs[0][-1]
    run_job(session.context, session.plan.jobs[head])
    before = session.context.store.state(head).read_bytes()
    session.context.store.state(head).write_bytes(before[: len(before) // 2])
    outcome = execute(session.plan, session.context, tmp_path, Reporters())
    assert outcome.done == 1
    assert checkpoint.load(session.context.store.state(head))[0].keys()


CPU_FULL = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
GPU_FULL = torch.OutOfMemoryError("CUDA out of memory (simulated)")


@pytest.mark.parametrize(
    ("place", "name", "error"), [(train_module, "one_epoch", CPU_FULL), (torch.optim.SGD, "step", GPU_FULL)]
)
def test_memory_that_runs_out_twice_fails_the_cell_and_once_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: object, name: str, error: Exception
) -> None:
    real, left = getattr(place, name), [1]

    def full(*arguments, **more):
        if left[0]:
            left[0] -= 1
            raise error
        return real(*arguments, **more)

    monkeypatch.setattr(place, name, full)
    session, notes = digits_session(tmp_path), Notes()
    assert execute(session.plan, session.context, tmp_path, notes).done == 1
    assert any("continues from its last checkpoint" in line for line in notes.lines)
    left[0] = 2
    other = digits_session(tmp_path / "other")
    assert len(execute(other.plan, other.context, tmp_path / "other", Reporters()).failed) == 1
    record = storage.read(storage.record_path(tmp_path / "other", "digits-test", BACKBONE, "none", 0))
    assert record.error is not None and record.error.endswith("(2 attempts)")


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_a_gpu_without_room_trains_and_predicts_in_pieces_and_says_so_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    def full(gradient: torch.Tensor) -> None:
        raise GPU_FULL

    def small(network, images_BCHW, *rest):
        if torch.is_grad_enabled() and len(images_BCHW) > 10 and where == "forward":
            raise GPU_FULL
        outputs = forward(network, images_BCHW, *rest)
        if torch.is_grad_enabled() and len(images_BCHW) > 10:
            outputs.logits_BC.register_hook(full)
        return outputs

    def small_prediction(network, images_BCHW, *rest):
        if len(images_BCHW) > 40:
            raise GPU_FULL
        return forward(network, images_BCHW, *rest)

    monkeypatch.setattr(passes, "forward", small)
    monkeypatch.setattr(predict, "forward", small_prediction)
    session = digits_session(tmp_path, digits_suite({"epochs": {"head": 1, "tail": 1}}))
    assert execute(session.plan, session.context, tmp_path, Reporters()).done == 1
    assert session.context.store.result(_first(session)).pieces == 4  # 32 rows: 16 are too many, 8 are not
    record = storage.read(storage.record_path(tmp_path, "digits-test", BACKBONE, "none", 0))
    assert record.stages[0].epochs == 1
    assert main(["status", "--out", str(tmp_path)]) == 0
    for said in ("".join(record.notes), capsys.readouterr().out, files.generate(tmp_path)[BOARD]):
        assert "up to 4 pieces" in said


def test_a_forward_pass_that_failed_leaves_no_trace_in_running_statistics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of memory at the end of the first forward pass gives the bits of a training in two pieces from the start."""

    def trained(out: Path, split: bool) -> dict[str, torch.Tensor]:
        session = digits_session(out)
        training = begin(session.context, session.plan.jobs[_first(session)])
        training.pieces = 2 if split else 1
        one_epoch(training, lambda epoch, step: None)
        assert training.pieces == 2
        return training.network.state_dict()

    def full(network, images_BCHW, *rest):
        outputs = forward(network, images_BCHW, *rest)
        if len(images_BCHW) > 16 and torch.is_grad_enabled():
            raise RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED")
        return outputs

    split = trained(tmp_path / "split", split=True)
    monkeypatch.setattr(passes, "forward", full)
    whole = trained(tmp_path / "whole", split=False)
    assert any("running_mean" in name for name in whole)
    assert [name for name in whole if not torch.equal(whole[name], split[name])] == []


def test_resident_images_do_not_count_as_memory_of_a_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_module, "peak_memory_bytes", lambda device: 10**9)
    session = digits_session(tmp_path)
    images_NHWC = np.array(session.context.loaded.images_NHWC)
    session.context.__dict__["resident_NHWC"] = torch.from_numpy(images_NHWC)  # as if copied to a GPU
    peak = run_job(session.context, session.plan.jobs[_first(session)]).peak_memory_bytes
    assert peak == 10**9 - images_NHWC.nbytes


def test_predictions_in_smaller_batches_are_those_of_larger_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = digits_session(tmp_path)
    training = begin(session.context, session.plan.jobs[_first(session)])
    rows_N = training.stage.data.test_rows
    sizes = []

    def small(network, images_BCHW, *rest):
        sizes.append(len(images_BCHW))
        if len(images_BCHW) > 40:
            raise GPU_FULL
        return forward(network, images_BCHW, *rest)

    whole = predict.outputs_of(training.network, training.batcher, rows_N, training.choice, 5)
    monkeypatch.setattr(predict, "forward", small)
    parts = predict.outputs_of(training.network, training.batcher, rows_N, training.choice, 5)
    torch.testing.assert_close(parts.logits_BC, whole.logits_BC, rtol=1e-5, atol=1e-5)
    assert len(parts.features_BF) == len(rows_N) and min(sizes) > 20


def test_the_gradients_of_pieces_are_those_of_the_whole_batch_for_a_loss_that_couples_samples(tmp_path: Path) -> None:
    session = digits_session(tmp_path)
    network = begin(session.context, session.plan.jobs[_first(session)]).network.double().eval()
    draws = np.random.default_rng(0)
    images = torch.from_numpy(draws.normal(size=(9, 3, 32, 32)))
    labels = torch.arange(9) % 5
    batch = Batch(images, labels, torch.nn.functional.one_hot(labels, 5).double())

    def outputs_of(part: Batch) -> Outputs:
        return Outputs(*network(part.images_BCHW))

    def loss_of(outputs: Outputs) -> torch.Tensor:
        spread = outputs.features_BF.std(0).sum()
        return (outputs.logits_BC.logsumexp(0) - (outputs.logits_BC * batch.y_BC).sum(0)).mean() + spread

    def gradients() -> list[torch.Tensor]:
        found = [p.grad.clone() for p in network.parameters()]
        network.zero_grad()
        return found

    loss = loss_of(outputs_of(batch))
    loss.backward()
    whole = gradients()
    again = gradients_in_pieces(network, batch, 4, 7, outputs_of, loss_of)
    torch.testing.assert_close(again, loss, rtol=1e-9, atol=0)
    for one, other in zip(whole, gradients(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)


def test_names_that_no_shell_likes(tmp_path: Path) -> None:
    suite = write_suite(tmp_path).rename(tmp_path / 'it\'s a "test"\nnäme.toml')
    out = tmp_path / 'o\'ut "x"\n日本'
    done = bench(tmp_path, "run", "--suite", suite, "--strategy", "none", "--out", out)
    assert done.returncode == 0, done.stderr
    assert [record.status for path in out.glob("*/records") for record in storage.read_all(path)[0]] == ["done"]
    assert os.path.exists(next(out.glob("*/leaderboard.md")))
    assert [(found.name, len(found.done)) for found in look(out).suites] == [(suite.stem, 1)]
