"""What a run says while it runs. `Reporter` is silent; `PlainReporter` prints lines; `display.py` has the live one."""

from __future__ import annotations

import time
from collections.abc import Sequence

from benchmarks.planning.plan import Cell, Job, Plan
from benchmarks.planning.store import JobResult
from benchmarks.records.ranking import stage_means
from benchmarks.records.record import Record
from benchmarks.support.errors import OutputClosed

QUIET_SECONDS = 60.0


class Reporter:
    """Told of everything that happens in a run; by default says nothing."""

    def begin(self, plan: Plan, stored: dict[str, Record]) -> None:
        """The run starts; `stored` holds the records that are there already, by cell key."""

    def job_started(self, job: Job, cell: Cell) -> None:
        """A job starts, for the first cell that needs it."""

    def job_placed(self, job: Job, where: str) -> None:
        """The job runs on a worker of its own: on which machine, GPU and process."""

    def progress(self, job: Job, step: int, steps: int) -> None:
        """Steps of the job that are done, out of all."""

    def job_said(self, job: Job, text: str) -> None:
        """The job printed this on its worker."""

    def job_lost(self, job: Job, reason: str) -> None:
        """The job has stopped before its end; it is started again, or given up."""

    def job_done(self, job: Job, result: JobResult) -> None:
        """A job is done."""

    def cell_done(self, cell: Cell, record: Record) -> None:
        """A cell has its record, done or failed."""

    def note(self, line: str) -> None:
        """Something happened that the user should know of."""

    def end(self) -> None:
        """The run ends, whatever the reason."""


class Reporters(Reporter):
    """Several reporters as one: each is told of everything, in order."""

    def __init__(self, reporters: Sequence[Reporter]) -> None:
        """Tell these."""
        self._reporters = tuple(reporters)

    def begin(self, plan: Plan, stored: dict[str, Record]) -> None:
        """Pass on."""
        for reporter in self._reporters:
            reporter.begin(plan, stored)

    def job_started(self, job: Job, cell: Cell) -> None:
        """Pass on."""
        for reporter in self._reporters:
            reporter.job_started(job, cell)

    def job_placed(self, job: Job, where: str) -> None:
        """Pass on."""
        for reporter in self._reporters:
            reporter.job_placed(job, where)

    def progress(self, job: Job, step: int, steps: int) -> None:
        """Pass on."""
        for reporter in self._reporters:
            reporter.progress(job, step, steps)

    def job_said(self, job: Job, text: str) -> None:
        """Pass on."""
        for reporter in self._reporters:
            reporter.job_said(job, text)

    def job_lost(self, job: Job, reason: str) -> None:
        """Pass on."""
        for reporter in self._reporters:
            reporter.job_lost(job, reason)

    def job_done(self, job: Job, result: JobResult) -> None:
        """Pass on."""
        for reporter in self._reporters:
            reporter.job_done(job, result)

    def cell_done(self, cell: Cell, record: Record) -> None:
        """Pass on."""
        for reporter in self._reporters:
            reporter.cell_done(cell, record)

    def note(self, line: str) -> None:
        """Pass on."""
        for reporter in self._reporters:
            reporter.note(line)

    def end(self) -> None:
        """Pass on."""
        for reporter in self._reporters:
            reporter.end()


class PlainReporter(Reporter):
    """One line per job and cell, and one a minute, for logs and pipes."""

    def __init__(self) -> None:
        """Start counting cells."""
        self._cells = self._at = 0
        self._started = self._said = time.monotonic()

    def _line(self, line: str) -> None:
        self._said = time.monotonic()
        say(line)

    def begin(self, plan: Plan, stored: dict[str, Record]) -> None:
        """Say what is to do."""
        self._cells = len(plan.cells)
        self._at = len(stored)
        self._line(f"{len(plan.cells)} cells, {len(plan.jobs)} jobs; {len(stored)} cells are there already.")

    def job_done(self, job: Job, result: JobResult) -> None:
        """Say what was trained and how fast."""
        trained = "no training of its own"
        if result.losses and result.seconds:
            speed = f"{result.images / result.seconds:.0f} img/s" if result.images else "on stored features"
            trained = f"{result.epochs} epochs, {result.seconds:.1f} s, {speed}, loss {result.losses[-1]:.3f}"
        self._line(f"  {describe(job)}: {trained}")

    def progress(self, job: Job, step: int, steps: int) -> None:
        """Say once a minute that it goes on."""
        if time.monotonic() - self._said > QUIET_SECONDS:
            self._line(f"  {describe(job)}: step {step} of {steps}")

    def cell_done(self, cell: Cell, record: Record) -> None:
        """Say what the cell reached, and how far the run is."""
        self._at += 1
        spent = time.monotonic() - self._started
        self._line(f"[{self._at}/{self._cells}, {spent:.0f} s] {cell.name}: {outcome(record)}")

    def note(self, line: str) -> None:
        """Say it."""
        self._line(f"  {line}")


def say(line: str) -> None:
    """Print a line at once. Raises OutputClosed where nobody reads any more, which no cell's failure may hide."""
    try:
        print(line, flush=True)
    except BrokenPipeError as error:
        raise OutputClosed from error


def describe(job: Job) -> str:
    """Return what a job trains, in a few words."""
    return f"stage {job.stage} {job.backbone} {job.strategy} seed {job.seed}"


def outcome(record: Record) -> str:
    """Return a record's result in a few words: top-1 overall and class mean of each stage, or its error."""
    if record.status == "failed":
        return f"failed: {record.error}"
    means = stage_means(record)
    return ", ".join(f"{name} {overall:.3f} (class mean {mean:.3f})" for name, (overall, mean) in means.items())
