"""The workers of a run on Ray, as its driver sees them: Ray places and starts them, this tells them what to train."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import ray

from benchmarks.planning.plan import Job
from benchmarks.running.ray.cluster import JobResources
from benchmarks.running.ray.worker import Files, JobUpdate, Worker, WorkerConfig, WorkerInfo
from benchmarks.support.errors import UserError

MOST_PENDING = 256
MOST_BROKEN = 3
PATIENCE_SECONDS = 600.0  # for a worker to come up while others fail: a cluster grows, a node is replaced


@dataclasses.dataclass(eq=False)
class WorkerHandle:
    """One worker: `actor`, what it awaits (its `WorkerInfo` first, then the updates of its job), and its job.

    `since`: when it was given the job (monotonic seconds); `began`: whether it has told anything of it.
    """

    actor: Any
    waiting: Any
    info: WorkerInfo | None = None
    job: Job | None = None
    since: float = 0.0
    began: bool = False


@dataclasses.dataclass(frozen=True)
class WorkerLost:
    """A worker that is gone, and Ray's reason; `began`: it had begun with its job."""

    reason: str
    began: bool = True


class WorkerPool:
    """Starts workers, gives them jobs and collects their updates. A worker that dies is reported as `WorkerLost`.

    More workers may be asked for than the cluster has room for: Ray starts those, as room comes.
    """

    def __init__(self, config: WorkerConfig, given: JobResources) -> None:
        """Every worker gets `config`, sent once per node, and the resources `given`."""
        self._config = ray.put(config)
        self._class = ray.remote(Worker).options(max_restarts=0, **given.resources)
        self._workers: list[WorkerHandle] = []
        self._broken: list[tuple[float, str]] = []  # workers in a row that did not come up: when, and why

    def hire(self, wanted: int) -> None:
        """Ask Ray for workers until there are `wanted`, started or waiting for room.

        While some are up and others do not come up, a node is out of order: those that are up do the work.
        """
        while len(self._workers) < min(wanted, MOST_PENDING) and len(self._broken) < MOST_BROKEN:
            actor: Any = self._class.remote(self._config)
            self._workers.append(WorkerHandle(actor, actor.info.remote()))

    @property
    def up(self) -> int:
        """How many workers are up."""
        return sum(worker.info is not None for worker in self._workers)

    def idle(self) -> list[WorkerHandle]:
        """Return the workers that are up and have no job."""
        return [worker for worker in self._workers if worker.info and not worker.job]

    def busy(self) -> list[WorkerHandle]:
        """Return the workers that have a job."""
        return [worker for worker in self._workers if worker.job]

    def start(self, worker: WorkerHandle, job: Job, files: Files) -> None:
        """Let an idle worker train `job`."""
        worker.job, worker.since, worker.began = job, time.monotonic(), False
        worker.waiting = worker.actor.train.options(num_returns="streaming").remote(job, files)

    def updates(self, seconds: float) -> Iterator[tuple[WorkerHandle, JobUpdate | WorkerLost]]:
        """Wait up to `seconds` for something to happen, and yield what workers with a job have to tell.

        Raises UserError where workers do not come up at all.
        """
        self._see_that_some_start()
        waiting = {worker.waiting: worker for worker in self._workers if worker.waiting is not None}
        if not waiting:
            return
        ready, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=0)
        if not ready:
            ready, _ = ray.wait(list(waiting), num_returns=1, timeout=seconds)
        for one in ready:
            told = self._hear(waiting[one])
            if told is not None:
                yield waiting[one], told

    def _hear(self, worker: WorkerHandle) -> JobUpdate | WorkerLost | None:
        try:
            if worker.info is None:
                worker.info, worker.waiting = ray.get(worker.waiting), None
                self._broken.clear()
                return None
            update: JobUpdate = ray.get(next(worker.waiting))
        except (ray.exceptions.RayError, StopIteration) as error:
            self.dismiss(worker)
            reason = _reason(error)
            if worker.job:
                return WorkerLost(reason, worker.began)
            self._broken.append((time.monotonic(), reason))
            return None
        worker.began = True
        if update.ended:
            worker.waiting = None
        return update

    def _see_that_some_start(self) -> None:
        """Raise UserError where several workers in a row did not come up, and no other will, or not in time."""
        if len(self._broken) < MOST_BROKEN or self.up:
            return
        since, reason = self._broken[0][0], self._broken[-1][1]
        if not self._workers or time.monotonic() - since > PATIENCE_SECONDS:
            raise UserError(f"workers do not start on the Ray cluster: {reason}")

    def free(self, worker: WorkerHandle) -> None:
        """The worker has ended its job."""
        worker.job = None

    def dismiss(self, *workers: WorkerHandle) -> None:
        """End these workers at once."""
        for worker in workers:
            if worker in self._workers:
                self._workers.remove(worker)
            if worker.info:  # where this one came up another one may
                self._broken.clear()
            with contextlib.suppress(Exception):  # it may be gone already, or Ray itself
                ray.kill(worker.actor)

    def end(self) -> None:
        """End all workers at once."""
        self.dismiss(*self._workers)


def _reason(error: Exception) -> str:
    """Return the line of Ray's message that says most: the last one that is no field and no note."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith("\t")]
    if isinstance(error, ray.exceptions.RayTaskError) or "creation task" in str(error):
        return lines[-1] if lines else type(error).__name__
    return (lines[0] if lines else type(error).__name__)[:300]
