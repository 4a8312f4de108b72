"""Reporters receive the events of a run. `PlainReporter` prints lines; `display.py` has the live display."""

from __future__ import annotations

import time
from typing import Protocol

from benchmarks.planning.plan import Job
from benchmarks.planning.store import JobResult
from benchmarks.progress.events import CellDone, Event, JobDone, JobProgress, Note, RunStarted
from benchmarks.records.ranking import stage_means
from benchmarks.records.record import Record
from benchmarks.support.errors import OutputClosed
from benchmarks.support.words import counted

QUIET_SECONDS = 60.0


class Reporter(Protocol):
    """Receives the events of a run."""

    def tell(self, event: Event) -> None:
        """React to an event, or ignore it."""


class Reporters:
    """Several reporters as one; silent if there are none."""

    def __init__(self, *reporters: Reporter) -> None:
        """Pass events on to `reporters`, in this order."""
        self._reporters = reporters

    def tell(self, event: Event) -> None:
        """Tell every reporter."""
        for reporter in self._reporters:
            reporter.tell(event)


class PlainReporter:
    """One line per job and cell, and one a minute during long jobs, for logs and pipes."""

    def __init__(self) -> None:
        """Start the clock and the count of cells."""
        self._cells = self._finished = 0
        self._started = self._said = time.monotonic()

    def tell(self, event: Event) -> None:
        """Print the event's line, if it has one."""
        now = time.monotonic()
        match event:
            case RunStarted(plan, stored):
                self._cells, self._finished = len(plan.cells), len(stored)
                left = f"{counted(len(plan.cells), 'cell')}, {counted(len(plan.jobs), 'job')}"
                self._say(f"{left}; done already: {len(stored)}.")
            case JobProgress(job, step, steps) if now - self._said > QUIET_SECONDS:
                self._say(f"  {describe(job)}: step {step} of {steps}")
            case JobDone(job, result):
                self._say(f"  {describe(job)}: {_trained(result)}")
            case CellDone(cell, record):
                self._finished += 1
                spent = f"{now - self._started:.0f} s"
                self._say(f"[{self._finished}/{self._cells}, {spent}] {cell.name}: {outcome(record)}")
            case Note(line):
                self._say(f"  {line}")

    def _say(self, line: str) -> None:
        self._said = time.monotonic()
        say(line)


def say(line: str) -> None:
    """Print a line and flush. Raises OutputClosed when stdout was closed, which a cell's failure must not hide."""
    try:
        print(line, flush=True)
    except BrokenPipeError as error:
        raise OutputClosed from error


def describe(job: Job) -> str:
    """Return in a few words what a job trains."""
    return f"stage {job.stage} {job.backbone} {job.strategy} seed {job.seed}{f' {job.variant}' if job.variant else ''}"


def outcome(record: Record) -> str:
    """Return a record's result in a few words: top-1 overall and class mean of each stage, or its error."""
    if record.status == "failed":
        return f"failed: {record.error}"
    means = stage_means(record)
    return "; ".join(f"{name} top-1 {overall:.3f}, class mean {mean:.3f}" for name, (overall, mean) in means.items())


def _trained(result: JobResult) -> str:
    """Return how long a job trained and how fast."""
    if not (result.losses and result.seconds):
        return "no training of its own"
    speed = f"{result.images / result.seconds:.0f} img/s" if result.images else "on stored features"
    return f"{counted(result.epochs, 'epoch')}, {result.seconds:.1f} s, {speed}, loss {result.losses[-1]:.3f}"
