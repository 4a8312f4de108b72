"""Run a plan in this process, cell by cell; every job once."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.planning.pending import pending, prune
from benchmarks.planning.plan import Cell, Job, Plan
from benchmarks.progress.events import CellDone, JobDone, JobLost, JobProgress, JobStarted, Note, RunEnded, RunStarted
from benchmarks.progress.reporter import Reporter, describe
from benchmarks.records.record import Record
from benchmarks.running.attempts import Attempts, worth_another
from benchmarks.running.cells import Outcome, failed_record, prepare, reason_of, write_record
from benchmarks.running.context import RunContext
from benchmarks.running.job import run_job
from benchmarks.running.scoring import done_record
from benchmarks.running.supervised import Supervised
from benchmarks.support.disk import DiskFull
from benchmarks.support.errors import UserError
from benchmarks.support.gpu_errors import device_lost
from benchmarks.support.threads import note_threads
from benchmarks.training.checkpoint import CheckpointError


class DeviceLost(Exception):
    """A job's error has left this process without a usable GPU; the message is the reason."""

    def __init__(self, job: Job, reason: str) -> None:
        """Keep the job and the reason."""
        super().__init__(reason)
        self.job, self.reason = job, reason


class JobFailed(Exception):
    """A job that a cell needs has been given up; the message is the reason, `traceback` where it happened."""

    def __init__(self, given_up: Attempts) -> None:
        """Take reason and traceback from the failed attempts."""
        super().__init__(given_up.reason)
        self.traceback = given_up.traceback


def execute(
    plan: Plan,
    context: RunContext,
    out: Path,
    reporter: Reporter,
    *,
    only: Sequence[Cell] | None = None,
    job_timeout: float | None = None,
    supervised: Supervised | None = None,
) -> Outcome:
    """Run the cells (or those of `only`) that have no record; a failure is recorded, and the next cell is run.

    `supervised`: this process, if a supervisor watches it; the supervisor then ends a job that takes longer than
    `job_timeout` seconds. KeyboardInterrupt and DiskFull pass through; finished jobs and cells are kept. After an error
    that leaves the GPU unusable, the supervisor continues in another process; without a supervisor, raises UserError.
    """
    supervised = supervised or Supervised()
    stored, todo = prepare(plan, context, out, only, supervised)
    note_threads(context.store.work)
    supervised.write_stacks(context.store.work)
    reporter.tell(RunStarted(plan, stored))
    failures, done = [], 0
    run = _Run(plan, context, reporter, job_timeout, supervised)
    try:
        with _told_of_the_end(reporter):
            for cell in todo:
                record = run.cell(cell)
                written = write_record(record, out, reporter)
                reporter.tell(CellDone(cell, record))
                if record.status == "done" and written:
                    done += 1
                else:
                    failures.append(cell)
                prune(plan, context.store, cell)
    except DeviceLost as lost:
        what, trace = describe(lost.job), traceback.format_exc()
        supervised.end_for_another(context.store.work, lost.job.key, what, lost.reason, trace)
        raise UserError(f"{what}: {lost.reason}; this process lost its GPU; run the command again.") from lost
    return Outcome(len(stored), done, tuple(failures))


@contextlib.contextmanager
def _told_of_the_end(reporter: Reporter) -> Iterator[None]:
    """Report the end of the run after the block, even on an error."""
    try:
        yield
    finally:
        reporter.tell(RunEnded())


@dataclasses.dataclass(frozen=True)
class _Run:
    """What the cells and jobs of a run share."""

    plan: Plan
    context: RunContext
    reporter: Reporter
    job_timeout: float | None
    supervised: Supervised

    def cell(self, cell: Cell) -> Record:
        """Train what the cell needs and return its record, done or failed."""
        try:
            for job in pending(self.plan, self.context.store, [cell]).values():
                self._job(job, cell)
            return done_record(self.context, self.plan, cell)
        except (DeviceLost, DiskFull):
            raise
        except Exception as error:  # a cell's failure, a plugin's too, must not end the run
            self.supervised.stop_if_interrupted()
            given_up = error if isinstance(error, JobFailed) else None
            trace = (given_up and given_up.traceback) or traceback.format_exc()
            return failed_record(self.context, cell, str(error) if given_up else reason_of(error), trace)

    def _job(self, job: Job, cell: Cell) -> None:
        """Train a job, with a second attempt if memory ran out or a state was damaged.

        Raises JobFailed if it is given up, DeviceLost if only a new process can continue, DiskFull if none can.
        """
        work, tell = self.context.store.work, self.reporter.tell
        noted = self.supervised.attempts.of(work, job.key)
        while not noted.exhausted:
            tell(JobStarted(job, cell))
            self.supervised.tell(work, job.key, describe(job), self.job_timeout)
            try:
                result = run_job(
                    self.context, job, lambda s, steps: self._step(job, s, steps), lambda line: tell(Note(line))
                )
                tell(JobDone(job, result))
                return
            except DiskFull:
                raise
            except Exception as error:
                self.supervised.stop_if_interrupted()
                if device_lost(error):
                    raise DeviceLost(job, reason_of(error)) from error
                final = not worth_another(error)
                trace = traceback.format_exc()
                noted = self.supervised.attempts.note(work, job.key, reason_of(error), final=final, traceback=trace)
                tell(JobLost(job, noted.reason))
                if not noted.exhausted:
                    tell(Note(f"{describe(job)}: {reason_of(error)}; {noted.then}."))
                    if isinstance(error, CheckpointError):
                        self._parent_again(job, cell)
            finally:
                self.supervised.tell(work, "")
            gc.collect()
        raise JobFailed(noted)

    def _step(self, job: Job, step: int, steps: int) -> None:
        """Report a step of a job, and stop here if an interrupt was swallowed."""
        self.supervised.stop_if_interrupted()
        self.reporter.tell(JobProgress(job, step, steps))

    def _parent_again(self, job: Job, cell: Cell) -> None:
        """Retrain the parent of `job`, because its stored state is damaged."""
        if job.parent:
            self.context.store.state(job.parent).unlink(missing_ok=True)
            for missing in pending(self.plan, self.context.store, [cell]).values():
                if missing.key == job.key:
                    break
                self._job(missing, cell)
