"""What a run says while it runs. `Reporter` is silent; `PlainReporter` prints lines; `display.py` has the live one."""

from __future__ import annotations

import time

from benchmarks.plan import Cell, Job, Plan
from benchmarks.records import Record
from benchmarks.store import JobResult


class Reporter:
    """Told of everything that happens in a run; by default says nothing."""

    def begin(self, plan: Plan, stored: dict[str, Record]) -> None:
        """The run starts; `stored` holds the records that are there already, by cell key."""

    def job_started(self, job: Job, cell: Cell) -> None:
        """A job starts, for the first cell that needs it."""

    def progress(self, job: Job, step: int, steps: int) -> None:
        """Steps of the job that are done, out of all."""

    def job_done(self, job: Job, result: JobResult) -> None:
        """A job is done."""

    def cell_done(self, cell: Cell, record: Record) -> None:
        """A cell has its record, done or failed."""

    def end(self) -> None:
        """The run ends, whatever the reason."""


class PlainReporter(Reporter):
    """One line per job and cell, for logs and pipes."""

    def __init__(self) -> None:
        """Start counting cells."""
        self._cells = self._at = 0
        self._started = time.monotonic()

    def begin(self, plan: Plan, stored: dict[str, Record]) -> None:
        """Say what is to do."""
        self._cells = len(plan.cells)
        self._at = len(stored)
        print(f"{len(plan.cells)} cells, {len(plan.jobs)} jobs; {len(stored)} cells are there already.", flush=True)

    def job_done(self, job: Job, result: JobResult) -> None:
        """Say what was trained and how fast."""
        rate = result.images / result.seconds if result.seconds else 0.0
        print(
            f"  stage {job.stage} {job.backbone} {job.strategy} seed {job.seed}: {result.epochs} epochs, "
            f"{result.seconds:.1f} s, {rate:.0f} img/s, loss {result.losses[-1]:.3f}"
            if result.losses
            else f"  stage {job.stage} {job.backbone} {job.strategy} seed {job.seed}: no training",
            flush=True,
        )

    def cell_done(self, cell: Cell, record: Record) -> None:
        """Say what the cell reached, and how far the run is."""
        self._at += 1
        spent = time.monotonic() - self._started
        print(f"[{self._at}/{self._cells}, {spent:.0f} s] {cell.name}: {outcome(record)}", flush=True)


def outcome(record: Record) -> str:
    """Return a record's result in a few words: top-1 overall and class mean of each stage, or its error."""
    if record.status == "failed":
        return f"failed: {record.error}"
    parts = []
    for stage in record.stages:
        tested = [(h, n) for h, n in zip(stage.top1_hits, stage.test_n, strict=True) if n]
        mean = sum(h / n for h, n in tested) / len(tested) if tested else float("nan")
        overall = sum(stage.top1_hits) / stage.rows if stage.rows else float("nan")
        parts.append(f"{stage.name} {overall:.3f} (class mean {mean:.3f})")
    return ", ".join(parts)
