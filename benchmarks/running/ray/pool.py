"""The driver's pool of Ray workers: starts workers, gives them jobs and collects their updates."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import ray

from benchmarks.planning.plan import Job
from benchmarks.running.pooled.updates import Files, JobUpdate, WorkerInfo, WorkerLost
from benchmarks.running.ray.cluster import JobResources
from benchmarks.running.ray.worker import Worker, WorkerConfig
from benchmarks.support.errors import UserError

MOST_PENDING = 256
MOST_BROKEN = 3
PATIENCE_SECONDS = 600.0  # for a worker to start while others fail: a cluster may grow, a node may be replaced


@dataclasses.dataclass(eq=False)
class WorkerHandle:
    """One worker and its job.

    `actor`: the Ray actor. `waiting`: the pending Ray result, first its `WorkerInfo`, then the updates of its job.
    `since`: when it got the job (monotonic seconds). `began`: whether an update of the job has arrived.
    """

    actor: Any
    waiting: Any
    info: WorkerInfo | None = None
    job: Job | None = None
    since: float = 0.0
    began: bool = False


class WorkerPool:
    """Starts workers, gives them jobs and collects their updates; a worker that dies is reported as `WorkerLost`.

    Workers beyond the cluster's capacity wait in Ray's queue and start when resources become free.
    """

    def __init__(self, config: WorkerConfig, given: JobResources) -> None:
        """Send `config` once per node; every worker gets the resources `given`."""
        self._config = ray.put(config)
        self._class = ray.remote(Worker).options(max_restarts=0, **given.resources)
        self._workers: list[WorkerHandle] = []
        self._broken: list[tuple[float, str]] = []  # consecutive failed starts: when and why

    def hire(self, wanted: int) -> None:
        """Request workers until `wanted` are running or queued.

        After `MOST_BROKEN` consecutive failed starts it requests no more: a node is broken, and the running workers
        do the work.
        """
        while len(self._workers) < min(wanted, MOST_PENDING) and len(self._broken) < MOST_BROKEN:
            actor: Any = self._class.remote(self._config)
            self._workers.append(WorkerHandle(actor, actor.info.remote()))

    @property
    def up(self) -> int:
        """The number of workers that are running."""
        return sum(worker.info is not None for worker in self._workers)

    def idle(self) -> list[WorkerHandle]:
        """Return the running workers without a job."""
        return [worker for worker in self._workers if worker.info and not worker.job]

    def busy(self) -> list[WorkerHandle]:
        """Return the workers that have a job."""
        return [worker for worker in self._workers if worker.job]

    def start(self, worker: WorkerHandle, job: Job, files: Files) -> None:
        """Start training `job`, with the states in `files`, on an idle worker."""
        worker.job, worker.since, worker.began = job, time.monotonic(), False
        worker.waiting = worker.actor.train.options(num_returns="streaming").remote(job, files)

    def updates(self, seconds: float) -> Iterator[tuple[WorkerHandle, JobUpdate | WorkerLost]]:
        """Wait up to `seconds` for a message, and yield the updates of workers with a job.

        Raises UserError if no worker starts at all.
        """
        self._check_starts()
        waiting = {worker.waiting: worker for worker in self._workers if worker.waiting is not None}
        if not waiting:
            return
        ready, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=0)
        if not ready:
            ready, _ = ray.wait(list(waiting), num_returns=1, timeout=seconds)
        for one in ready:
            update = self._receive(waiting[one])
            if update is not None:
                yield waiting[one], update

    def _receive(self, worker: WorkerHandle) -> JobUpdate | WorkerLost | None:
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
                return WorkerLost(f"its worker is gone: {reason}", worker.began)
            self._broken.append((time.monotonic(), reason))
            return None
        worker.began = True
        if update.ended:
            worker.waiting = None
        return update

    def _check_starts(self) -> None:
        """Raise UserError after several failed starts in a row if no worker is running and none starts in time."""
        if len(self._broken) < MOST_BROKEN or self.up:
            return
        since, reason = self._broken[0][0], self._broken[-1][1]
        if not self._workers or time.monotonic() - since > PATIENCE_SECONDS:
            raise UserError(f"workers do not start on the Ray cluster: {reason}")

    def free(self, worker: WorkerHandle) -> None:
        """Mark the worker as idle: its job has ended."""
        worker.job = None

    def dismiss(self, *workers: WorkerHandle) -> None:
        """Kill these workers."""
        for worker in workers:
            if worker in self._workers:
                self._workers.remove(worker)
            if worker.info:  # another one may start where this one did
                self._broken.clear()
            with contextlib.suppress(Exception):  # the worker, or Ray itself, may be gone already
                ray.kill(worker.actor)

    def end_late(self, worker: WorkerHandle) -> str:
        """Kill a worker whose job takes too long; return "" for its stacks, which Ray does not provide."""
        self.dismiss(worker)
        return ""

    def end(self) -> None:
        """Kill all workers."""
        self.dismiss(*self._workers)


def _reason(error: Exception) -> str:
    """Return the most useful line of Ray's message: a traceback's last line, else the first line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith("\t")]
    if isinstance(error, ray.exceptions.RayTaskError) or "creation task" in str(error):
        return lines[-1] if lines else type(error).__name__
    return (lines[0] if lines else type(error).__name__)[:300]
