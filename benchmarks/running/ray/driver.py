"""Run a plan on Ray: this process, the driver, owns the store and schedules jobs; workers train them.

A job starts when the jobs it depends on are done; jobs on the longest path go first. A worker that dies, or is replaced
because its GPU fails, costs its job one attempt (`attempts.py`), and another worker continues from the driver's last
checkpoint. The first worker that dies before it has begun costs none, because its node may have gone while it was idle.
Cells that need a job that was given up are recorded as failed.
"""

from __future__ import annotations

import dataclasses
import time
import traceback
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import ray

from backbones.files import write_bytes
from backbones.weights import FirstWeights
from benchmarks.data.decoded.delivered import manifest
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
)  # fmt: skip
from benchmarks.progress.reporter import Reporter, describe
from benchmarks.records.record import Record
from benchmarks.running.attempts import AttemptLog
from benchmarks.running.cells import Outcome, failed_record, prepare, reason_of, stored_records, write_record
from benchmarks.running.context import RunContext
from benchmarks.running.estimate import look
from benchmarks.running.graph import Graph, ancestors, needs
from benchmarks.running.ray.cluster import JobResources
from benchmarks.running.ray.pool import WorkerHandle, WorkerLost, WorkerPool
from benchmarks.running.ray.worker import Files, JobUpdate, WorkerConfig
from benchmarks.running.scoring import done_record
from benchmarks.running.supervised import Supervised
from benchmarks.support.disk import DiskFull, ends_if_full

LISTEN_SECONDS = 1.0
QUIET_SECONDS = 60.0  # without a worker before a message is printed
SHOWS_SECONDS = 60.0  # until a worker's file is visible in a shared folder: NFS caches that it was missing


def execute(
    plan: Plan,
    context: RunContext,
    out: Path,
    reporter: Reporter,
    *,
    given: JobResources,
    only: Sequence[Cell] | None = None,
    plugins: Sequence[Path] = (),
    job_timeout: float | None = None,
    share_folder: bool = True,
    supervised: Supervised | None = None,
) -> Outcome:
    """Run every cell without a record (or those of `only`) on the Ray cluster that this process is connected to.

    Each job gets the resources `given` and is given up after `job_timeout` seconds. Workers that can see `out` write
    there, unless `share_folder` is False. Raises UserError if no worker starts, DiskFull if `out` has no
    room. On these and on KeyboardInterrupt workers end and stored results stay.
    """
    supervised = supervised or Supervised()
    stored = stored_records(plan, out, context.suite.name)
    cells = [cell for cell in (plan.cells if only is None else only) if cell.key not in stored]
    prepare(plan, context, out, cells, supervised)
    outlook = look(plan, context, stored)
    graph = Graph(plan, cells, pending(plan, context.store, cells).values(), outlook.seconds)
    token = context.store.work / f"shared-{uuid.uuid4().hex}"
    write_bytes(token, b"")
    pool = WorkerPool(_config(context, out, given, plugins, token.name if share_folder else None), given)
    run = Run(plan, context, out, reporter, graph, pool, outlook, supervised.attempts)
    reporter.tell(RunStarted(plan, stored))
    try:
        while True:
            supervised.stop_if_interrupted()
            run.hand_out()  # first: no worker should wait while records are written
            run.record_settled()
            if not graph.open:
                break
            run.note_wait()
            for worker, update in pool.updates(LISTEN_SECONDS):
                run.hear(worker, update)
            if job_timeout:
                run.end_late(job_timeout)
    finally:
        pool.end()
        token.unlink(missing_ok=True)
        reporter.tell(RunEnded())
    return Outcome(len(stored), run.done, tuple(run.failures))


def _config(
    context: RunContext, out: Path, given: JobResources, plugins: Sequence[Path], token: str | None
) -> WorkerConfig:
    """Return the config of every worker: the run context without its images."""
    bare = dataclasses.replace(
        context, loaded=dataclasses.replace(context.loaded, images_NHWC=np.zeros((0, 0, 0, 3), np.uint8))
    )
    return WorkerConfig(
        context=bare,
        manifest=manifest(context.loaded),
        driver=ray.get_runtime_context().get_node_id(),
        out=out.resolve(),
        token=token,
        weights={name: first.path.read_bytes() for name, first in _needed(context).items()},
        plugins=tuple((file.name, file.read_bytes()) for file in plugins),
        threads=given.threads,
    )


def _needed(context: RunContext) -> Mapping[str, FirstWeights]:
    """Return the first weights that jobs load: none if backbones are frozen, since their features are stored."""
    return {} if context.suite.recipe.frozen else context.first_weights


class Run:
    """The state of a run: its `graph` of open jobs, its `context`, and what was `spent` on each backbone."""

    def __init__(
        self,
        plan: Plan,
        context: RunContext,
        out: Path,
        reporter: Reporter,
        graph: Graph,
        pool: WorkerPool,
        outlook: Outlook,
        attempts: AttemptLog,
    ) -> None:
        self._plan, self.context, self._out, self._reporter = plan, context, out, reporter
        self._tell = reporter.tell
        self.graph, self._pool, self._outlook, self._attempts = graph, pool, outlook, attempts
        self.spent: dict[str, tuple[int, float]] = {}  # backbone -> images and seconds of this run's finished jobs
        self._traces: dict[str, str] = {}  # job -> traceback of its failure
        self._unbegun = set[str]()  # jobs whose worker died before it had begun
        # since when no worker is up; None: one is, or the message was printed
        self._waits_since: float | None = time.monotonic()
        self.done, self.failures = 0, list[Cell]()

    def hand_out(self) -> None:
        """Give the most urgent jobs to idle workers; request as many workers as there are jobs to run."""
        ready = self.graph.ready()
        idle, wanted = self._pool.idle(), len(self._pool.busy()) + len(ready)
        for job, worker in zip(ready, idle, strict=False):
            assert worker.info is not None
            self.graph.take(job)
            cell = self.graph.first_cell(job)
            self._tell(JobStarted(job, cell))
            self._tell(JobPlaced(job, worker.info.where))
            self._pool.start(worker, job, {} if worker.info.shares else self.files(job))
        self._pool.hire(wanted)
        spare = len(self._pool.idle()) - (self.graph.open - len(self._pool.busy()))
        self._pool.dismiss(*self._pool.idle()[: max(0, spare)])

    def files(self, job: Job) -> Files:
        """Return the files that the job starts from: its own checkpoints, and states and predictions of other jobs."""
        store = self.context.store
        files = list(store.folder(job.key).glob("*checkpoint.safetensors"))
        for key in needs(job):
            files += [store.state(key), store.folder(key) / "predictions.npz"]
        return {str(file.relative_to(store.work)): file.read_bytes() for file in files if file.exists()}

    def hear(self, worker: WorkerHandle, update: JobUpdate | WorkerLost) -> None:
        """Handle a worker's message: store its files, report its progress, settle its job if that ended."""
        job = worker.job
        assert job is not None
        if isinstance(update, WorkerLost):
            if update.began or job.key in self._unbegun:
                self._failed(job, f"its worker is gone: {update.reason}")
            else:
                self._unbegun.add(job.key)
                self._tell(JobLost(job, update.reason))
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
            self._tell(JobOutput(job, update.said))
        for line in update.notes:
            self._tell(Note(line))
        if update.step:
            self._tell(JobProgress(job, update.step, update.steps))
        if update.ended:
            self._ended(worker, job, update)

    def _ended(self, worker: WorkerHandle, job: Job, update: JobUpdate) -> None:
        store = self.context.store
        self._pool.free(worker)
        if update.lost:
            self._pool.dismiss(worker)  # `hand_out` hires another one
        if not update.keeps:
            store.drop_checkpoints(job.key)
        result = self._result(worker, job) if update.error is None else None
        if update.error is not None or result is None:
            error = update.error or "it left no result"
            self._failed(job, error, update.trace, final=not update.may_retry, damaged=update.damaged)
        else:
            self.graph.done(job)
            self._learn(job, result)
            self._tell(JobDone(job, result))

    def _learn(self, job: Job, result: JobResult) -> None:
        """Update the expected seconds of waiting jobs from the finished jobs of their backbone."""
        images, seconds = self.spent.get(job.backbone, (0, 0.0))
        self.spent[job.backbone] = (images + result.images, seconds + result.seconds)
        self.graph.expect(self._outlook.learned(self.spent))

    def _result(self, worker: WorkerHandle, job: Job) -> JobResult | None:
        """Return the job's result, or None; in a shared folder wait until the file becomes visible."""
        until = time.monotonic() + (SHOWS_SECONDS if worker.info and worker.info.shares else 0.0)
        while (result := self.context.store.result(job.key)) is None and time.monotonic() < until:
            time.sleep(0.2)
        return result

    def _failed(self, job: Job, why: str, trace: str = "", *, final: bool = False, damaged: bool = False) -> None:
        """Count a failed attempt at the job; schedule another one if any is left."""
        noted = self._attempts.note(self.context.store.work, job.key, why, final=final, traceback=trace)
        self._tell(JobOutput(job, noted.traceback))
        self._tell(JobLost(job, noted.reason))
        if noted.exhausted:
            self._traces[job.key] = noted.traceback
            self.graph.fail(job, noted.reason)
            return
        if damaged and job.parent and not self.graph.is_open(job.parent):  # the damaged state is the parent's
            self.context.store.state(job.parent).unlink(missing_ok=True)
            missing = pending(self._plan, self.context.store, [self.graph.first_cell(job)])
            self.graph.reopen([missing[key] for key in ancestors(self._plan, job) if key in missing])
        self.graph.again(job)
        self._tell(Note(f"{describe(job)}: {why}; {noted.then}."))

    def note_wait(self) -> None:
        """Tell the user once that no worker has started for a while: the cluster is full or nodes are starting."""
        if self._pool.up:
            self._waits_since = None
        elif self._waits_since is not None and time.monotonic() - self._waits_since > QUIET_SECONDS:
            self._waits_since = None
            self._tell(
                Note("no worker is up yet; the run waits for free resources on the Ray cluster (see `ray status`).")
            )

    def end_late(self, seconds: float) -> None:
        """Kill workers whose job takes longer than `seconds`, and give those jobs up."""
        for worker in self._pool.busy():
            if worker.job and time.monotonic() - worker.since > seconds:
                self._pool.dismiss(worker)
                self._failed(worker.job, f"it took longer than {seconds:g} s", final=True)

    def record_settled(self) -> None:
        """Write the record of each cell whose jobs are all done or given up."""
        for cell, failed in self.graph.settled():
            record = self._record(cell, failed)
            written = write_record(record, self._out, self._reporter)
            self._tell(CellDone(cell, record))
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
