"""The driver of several workers: it owns the store, hands out jobs as their parents finish, and writes the records.

A worker that dies costs its job one attempt (`attempts.py`), and another worker continues from the last checkpoint.
If a worker dies before it has begun its job, the first time costs none, because it may have died while idle. Cells that
need a job that was given up are recorded as failed.
"""

from __future__ import annotations

import dataclasses
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from backbones.files import write_bytes
from benchmarks.planning.estimate import Outlook
from benchmarks.planning.pending import pending, prune
from benchmarks.planning.plan import Cell, Job, Plan
from benchmarks.planning.store import JobResult
from benchmarks.progress.events import (
    CellDone,
    JobDone,
    JobLost,
    JobOutput,
    JobPlaced,
    JobProgress,
    JobStarted,
    Note,
    RunEnded,
    RunStarted,
)
from benchmarks.progress.reporter import Reporter, describe
from benchmarks.records.record import Record
from benchmarks.running.attempts import Attempts
from benchmarks.running.cells import Outcome, failed_record, reason_of, write_record
from benchmarks.running.context import RunContext
from benchmarks.running.graph import Graph, ancestors
from benchmarks.running.pooled.updates import Files, JobUpdate, WorkerInfo, WorkerLost
from benchmarks.running.scoring import done_record
from benchmarks.running.supervised import Supervised
from benchmarks.support.disk import DiskFull, ends_if_full

LISTEN_SECONDS = 1.0
SHOWS_SECONDS = 60.0  # for a worker's file to appear in a shared folder: NFS caches negative lookups


class Worker(Protocol):
    """A worker: the `job` it trains, `since` when (monotonic seconds); `info` is None until it is up."""

    info: WorkerInfo | None
    job: Job | None
    since: float


class Pool(Protocol):
    """Starts workers, gives them jobs and collects their updates."""

    @property
    def up(self) -> int:
        """The number of workers that are running."""

    def hire(self, wanted: int) -> None:
        """Start workers until there are `wanted`, or as many as there may be."""

    def idle(self) -> Sequence[Any]:
        """Return the workers without a job."""

    def busy(self) -> Sequence[Any]:
        """Return the workers that have a job."""

    def start(self, worker: Any, job: Job, files: Files) -> None:
        """Start training `job` on an idle worker."""

    def updates(self, seconds: float) -> Iterator[tuple[Any, JobUpdate | WorkerLost]]:
        """Wait up to `seconds` for a message, and yield the updates of workers with a job."""

    def free(self, worker: Any) -> None:
        """Mark the worker as idle: its job has ended."""

    def dismiss(self, *workers: Any) -> None:
        """End these workers."""

    def end_late(self, worker: Any) -> str:
        """End a worker whose job takes too long, and return its stacks."""

    def end(self) -> None:
        """End all workers."""


class Run:
    """The state of a run: its `graph` of open jobs, its `context`, and what was `spent` on each backbone.

    Without an `outlook` jobs keep the graph's order, else those on the longest path go first.
    """

    def __init__(
        self,
        plan: Plan,
        context: RunContext,
        out: Path,
        reporter: Reporter,
        graph: Graph,
        pool: Pool,
        outlook: Outlook | None,
        supervised: Supervised,
    ) -> None:
        self._plan, self.context, self._out, self._reporter = plan, context, out, reporter
        self.tell = reporter.tell
        self.graph, self.pool, self._outlook, self.supervised = graph, pool, outlook, supervised
        self.spent: dict[str, tuple[int, float]] = {}  # backbone -> images and seconds of this run's finished jobs
        self._traces: dict[str, str] = {}  # job -> traceback of its failure
        self._unbegun = set[str]()  # jobs whose worker died before it had begun
        self.done, self.failures = 0, list[Cell]()

    def carry_out(self, stored: dict[str, Record], job_timeout: float | None) -> Outcome:
        """Run until every cell has its record, then end the workers; report the run's start and end.

        `stored`: the records that already exist, by cell key.
        """
        self.tell(RunStarted(self._plan, stored))
        try:
            self._work(job_timeout)
        finally:
            self.pool.end()
            self.tell(RunEnded())
        return Outcome(len(stored), self.done, tuple(self.failures))

    def _work(self, job_timeout: float | None) -> None:
        """Hand out jobs and write records until no job is open; jobs that an earlier driver gave up are not retried."""
        for job in self.graph.ready():
            noted = self.supervised.attempts.of(self.context.store.work, job.key)
            if noted.exhausted:
                self._give_up(job, noted)
        while True:
            self.supervised.stop_if_interrupted()
            self.hand_out()  # first: no worker should wait while records are written
            self.record_settled()
            if not self.graph.open:
                return
            self.wait()
            if job_timeout:
                self.end_late(job_timeout)

    def wait(self) -> None:
        """Wait for the workers' messages, and handle them."""
        for worker, update in self.pool.updates(LISTEN_SECONDS):
            self.hear(worker, update)

    def hand_out(self) -> None:
        """Give the most urgent jobs to idle workers; request as many workers as there are jobs to run."""
        ready = self.graph.ready()
        self.pool.hire(len(self.pool.busy()) + len(ready))
        for job, worker in zip(ready, self.pool.idle(), strict=False):
            assert worker.info is not None
            self.graph.take(job)
            cell = self._plan.first_user[job.key]
            self.tell(JobStarted(job, cell))
            if worker.info.where:
                self.tell(JobPlaced(job, worker.info.where))
            self.pool.start(worker, job, {} if worker.info.shares else self.files(job))
        spare = len(self.pool.idle()) - (self.graph.open - len(self.pool.busy()))
        self.pool.dismiss(*self.pool.idle()[: max(0, spare)])

    def files(self, job: Job) -> Files:
        """Return the files that the job starts from, for a worker that does not see the output folder."""
        return {}

    def hear(self, worker: Worker, update: JobUpdate | WorkerLost) -> None:
        """Handle a worker's message: store its files, report its progress, settle its job if that ended."""
        job = worker.job
        assert job is not None
        if isinstance(update, WorkerLost):
            if update.began or job.key in self._unbegun:
                self._failed(job, update.reason, update.trace)
            else:
                self._unbegun.add(job.key)
                self.tell(JobLost(job, update.reason))
                self.graph.again(job)
            return
        try:
            with ends_if_full(self.context.store.work):
                for name, content in update.files.items():
                    write_bytes(self.context.store.work / name, content)
        except OSError as error:  # the job continues without a checkpoint, but fails without a result
            update = dataclasses.replace(update, error=update.error or reason_of(error))
        if update.full:
            raise DiskFull(update.error)
        if update.said:
            self.tell(JobOutput(job, update.said))
        for line in update.notes:
            self.tell(Note(line))
        if update.step:
            self.tell(JobProgress(job, update.step, update.steps))
        if update.ended:
            self._ended(worker, job, update)

    def _ended(self, worker: Worker, job: Job, update: JobUpdate) -> None:
        store = self.context.store
        self.pool.free(worker)
        if update.lost:
            self.pool.dismiss(worker)  # `hand_out` hires another one
        if not update.keeps:
            store.drop_checkpoints(job.key)
        result = self._result(worker, job) if update.error is None else None
        if update.error is not None or result is None:
            error = update.error or "it left no result"
            self._failed(job, error, update.trace, final=not update.may_retry, damaged=update.damaged)
        else:
            self.graph.done(job)
            self._learn(job, result)
            self.tell(JobDone(job, result))

    def _learn(self, job: Job, result: JobResult) -> None:
        """Update the expected seconds of waiting jobs from the finished jobs of their backbone."""
        images, seconds = self.spent.get(job.backbone, (0, 0.0))
        self.spent[job.backbone] = (images + result.images, seconds + result.seconds)
        if self._outlook:
            self.graph.expect(self._outlook.learned(self.spent))

    def _result(self, worker: Worker, job: Job) -> JobResult | None:
        """Return the job's result, or None; in a shared folder wait until the file becomes visible."""
        until = time.monotonic() + (SHOWS_SECONDS if worker.info and worker.info.shares else 0.0)
        while (result := self.context.store.result(job.key)) is None and time.monotonic() < until:
            time.sleep(0.2)
        return result

    def _failed(self, job: Job, why: str, trace: str = "", *, final: bool = False, damaged: bool = False) -> None:
        """Count a failed attempt at the job; schedule another one if any is left."""
        noted = self.supervised.attempts.note(self.context.store.work, job.key, why, final=final, traceback=trace)
        self.tell(JobOutput(job, noted.traceback))
        self.tell(JobLost(job, noted.reason))
        if noted.exhausted:
            self._give_up(job, noted)
            return
        if damaged and job.parent and not self.graph.is_open(job.parent):  # the damaged state is the parent's
            self.context.store.state(job.parent).unlink(missing_ok=True)
            missing = pending(self._plan, self.context.store, [self._plan.first_user[job.key]])
            self.graph.reopen([missing[key] for key in ancestors(self._plan, job) if key in missing])
        self.graph.again(job)
        self.tell(Note(f"{describe(job)}: {why}; {noted.then}."))

    def _give_up(self, job: Job, noted: Attempts) -> None:
        self._traces[job.key] = noted.traceback
        self.graph.fail(job, noted.reason)

    def end_late(self, seconds: float) -> None:
        """Kill workers whose job takes longer than `seconds`, and give those jobs up."""
        for worker in self.pool.busy():
            if worker.job and time.monotonic() - worker.since > seconds:
                trace = self.pool.end_late(worker)
                self._failed(worker.job, f"it took longer than {seconds:g} s", trace, final=True)

    def record_settled(self) -> None:
        """Write the record of each cell whose jobs are all done or given up."""
        for cell, failed in self.graph.settled():
            record = self._record(cell, failed)
            written = write_record(record, self._out, self._reporter)
            self.tell(CellDone(cell, record))
            prune(self._plan, self.context.store, cell)
            if record.status == "done" and written:
                self.done += 1
            else:
                self.failures.append(cell)

    def _record(self, cell: Cell, failed: str | None) -> Record:
        keys = cell.needed
        if failed is not None:
            trace = next((self._traces[key] for key in keys if self._traces.get(key)), failed)
            return failed_record(self.context, cell, failed, trace)
        try:
            return done_record(self.context, self._plan, cell)
        except Exception as error:  # a failing cell or plugin must not end the run
            return failed_record(self.context, cell, reason_of(error), traceback.format_exc())
