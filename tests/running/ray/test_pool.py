"""The pool and the driver's answer to losses, with Ray's part played: what clusters do now and then only."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.planning.pending import pending
from benchmarks.planning.store import JobResult
from benchmarks.progress.events import Event, JobLost, Note
from benchmarks.running.attempts import AttemptLog
from benchmarks.running.estimate import look
from benchmarks.running.graph import Graph
from benchmarks.running.ray.cluster import JobResources
from benchmarks.running.supervised import Supervised
from benchmarks.support.errors import UserError
from tests.making import digits_session

pytest.importorskip("ray", reason="Ray is not installed (the extra `ray`)")
import ray

from benchmarks.running.pooled import run as pooled
from benchmarks.running.pooled.updates import JobUpdate, WorkerInfo, WorkerLost
from benchmarks.running.ray import driver
from benchmarks.running.ray import pool as pool_module

ONE = JobResources(num_cpus=1, num_gpus=0, threads=1, device="cpu")
DIES = ray.exceptions.RaySystemError("out of order")


class Played:
    """Ray as far as a pool needs it: what each awaited thing comes to, an exception or a value, is in `answers`."""

    exceptions = ray.exceptions

    def __init__(self) -> None:
        self.answers: dict[Any, Any] = {}
        self.asked: list[str] = []  # of each actor, in order, what its `info` awaits

    def remote(self, _: type) -> Any:
        def hire(_: Any) -> Any:
            self.asked.append(f"info {len(self.asked)}")
            info = self.asked[-1]
            return SimpleNamespace(info=SimpleNamespace(remote=lambda: info))

        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=hire))

    def put(self, value: Any) -> Any:
        return value

    def kill(self, actor: Any) -> None:
        pass

    def wait(self, waiting: list[Any], **_: Any) -> tuple[list[Any], list[Any]]:
        return [one for one in waiting if one in self.answers or not isinstance(one, str)], []

    def get(self, what: Any) -> Any:
        answer = self.answers.pop(what) if isinstance(what, str) else what
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    """Return what plays Ray for the pool."""
    monkeypatch.setattr(pool_module, "ray", found := Played())
    return found


def _pool() -> Any:
    return pool_module.WorkerPool(None, ONE)  # type: ignore[arg-type]


def _listen(pool: Any) -> list[Any]:
    return [told for _, told in pool.updates(0.0)]


def test_where_all_fail_to_start_the_run_ends_in_a_sentence(played: Played) -> None:
    pool = _pool()
    for _ in range(pool_module.MOST_BROKEN):
        pool.hire(1)
        played.answers[played.asked[-1]] = DIES
        assert not _listen(pool)
    pool.hire(1)
    with pytest.raises(UserError, match="workers do not start on the Ray cluster: .*out of order"):
        _listen(pool)


def test_while_one_may_still_start_those_that_fail_end_nothing_for_a_time(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = _pool()
    pool.hire(pool_module.MOST_BROKEN + 1)
    for info in played.asked[1:]:
        played.answers[info] = DIES
    _listen(pool)
    _listen(pool)  # one is left, for which a node may be starting
    monkeypatch.setattr(pool_module, "PATIENCE_SECONDS", 0.0)
    with pytest.raises(UserError, match="do not start"):
        _listen(pool)


def test_one_that_is_up_does_the_work_whatever_others_do(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "PATIENCE_SECONDS", 0.0)
    pool = _pool()
    pool.hire(1 + pool_module.MOST_BROKEN)
    played.answers[played.asked[0]] = WorkerInfo("here (1)", True)
    _listen(pool)
    assert pool.up == 1
    for info in played.asked[1:]:
        played.answers[info] = DIES
    _listen(pool)
    pool.hire(4)
    assert len(played.asked) == 1 + pool_module.MOST_BROKEN  # no more are asked for
    assert not _listen(pool)


def _at_work(pool: Any, played: Played, *update: Any) -> None:
    """Let a worker come up and take a job that tells `update`."""
    pool.hire(1)
    played.answers[played.asked[-1]] = WorkerInfo("here (1)", True)
    _listen(pool)
    (worker,) = pool.idle()
    worker.job, worker.waiting, worker.began = "job", iter(update), False


def test_a_loss_says_whether_the_job_had_begun(played: Played) -> None:
    for update, began in ([DIES], False), ([JobUpdate(), DIES], True):
        pool = _pool()
        _at_work(pool, played, *update)
        lost = [one for _ in update for one in _listen(pool)][-1]
        assert lost.began == began and "out of order" in lost.reason


class Lines:
    """Keeps what was noted and lost."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.lost: list[str] = []

    def tell(self, event: Event) -> None:
        match event:
            case Note(line):
                self.notes.append(line)
            case JobLost(_, reason):
                self.lost.append(reason)


def _run(tmp_path: Path, pool: Any) -> tuple[Any, Lines, Any]:
    """Return a run with one job taken, what it tells, and the worker that has the job."""
    session = digits_session(tmp_path / "out", strategies=("none",))
    plan, context, lines = session.plan, session.context, Lines()
    outlook = look(plan, context, {})
    graph = Graph(plan, plan.cells, pending(plan, context.store, plan.cells).values(), outlook.seconds)
    run = driver.Run(plan, context, tmp_path / "out", lines, graph, pool, outlook, Supervised())
    (job, *_) = graph.ready()
    graph.take(job)
    return run, lines, pool_module.WorkerHandle(None, None, WorkerInfo("here (1)", True), job)


def test_a_worker_that_dies_before_its_job_began_costs_no_attempt_but_only_once(tmp_path: Path) -> None:
    run, lines, worker = _run(tmp_path, SimpleNamespace(up=1))
    job, work = worker.job, run.context.store.work
    run.hear(worker, WorkerLost("its node is gone", began=False))
    assert not AttemptLog().of(work, job.key).reasons and not lines.notes
    assert job in run.graph.ready() and lines.lost == ["its node is gone"]
    run.hear(worker, WorkerLost("its node is gone", began=False))
    assert len(AttemptLog().of(work, job.key).reasons) == 1 and "its node is gone" in lines.notes[0]


def test_a_worker_that_lost_its_gpu_is_replaced_and_its_job_tried_again(tmp_path: Path) -> None:
    gone: list[Any] = []
    run, lines, worker = _run(tmp_path, SimpleNamespace(up=1, free=lambda worker: None, dismiss=gone.append))
    job = worker.job
    run.hear(worker, JobUpdate(ended=True, error="RuntimeError: CUDA error", may_retry=True, lost=True))
    assert gone == [worker] and job in run.graph.ready()
    assert lines.notes[-1].endswith("it continues from its last checkpoint.")
    run.hear(worker, JobUpdate(ended=True, error="RuntimeError: no"))
    assert gone == [worker]


def test_a_result_that_a_shared_folder_shows_late_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, lines, worker = _run(tmp_path, SimpleNamespace(up=1, free=lambda worker: None))
    slept: list[float] = []
    results = iter([None, None, JobResult(worker.job.key, 2.0, 400, 1, (1.0,), 0)])
    monkeypatch.setattr(run.context.store, "result", lambda key: next(results))
    monkeypatch.setattr(driver.time, "sleep", slept.append)
    run.hear(worker, JobUpdate(ended=True))
    assert len(slept) == 2 and not lines.notes and not run.graph.is_open(worker.job.key)
    assert run.spent == {worker.job.backbone: (400, 2.0)}

    monkeypatch.setattr(pooled, "SHOWS_SECONDS", 0.0)
    run, lines, worker = _run(tmp_path, SimpleNamespace(up=1, free=lambda worker: None))
    run.hear(worker, JobUpdate(ended=True))
    assert lines.lost == ["it left no result"]


def test_a_run_without_workers_says_once_that_it_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "QUIET_SECONDS", 0.0)
    pool = SimpleNamespace(up=0)
    run, lines, _ = _run(tmp_path, pool)
    run.note_wait()
    run.note_wait()
    assert len(lines.notes) == 1 and "no worker is up yet" in lines.notes[0]
    pool.up = 1
    run, lines, _ = _run(tmp_path, pool)
    run.note_wait()
    pool.up = 0
    run.note_wait()
    assert not lines.notes
