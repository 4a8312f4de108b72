"""Run a plan in this process, cell by cell; every job once."""

from __future__ import annotations

import dataclasses
import traceback
from pathlib import Path

from benchmarks import records
from benchmarks.files import write_bytes
from benchmarks.job import Workshop, run_job
from benchmarks.plan import Cell, Plan
from benchmarks.records import Record, RecordError
from benchmarks.report import Reporter
from benchmarks.scoring import blank_record, done_record


class JobFailed(Exception):
    """A job that a cell needs failed for an earlier cell; the message is the reason it had."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a run came to: cells that were there already, that were done now, that failed."""

    stored: int
    done: int
    failed: tuple[Cell, ...]


def stored_records(plan: Plan, out: Path, suite: str) -> dict[str, Record]:
    """Return, by cell key, the finished records that belong to cells of the plan just as planned."""
    found = {}
    for cell in plan.cells:
        path = records.record_path(out, suite, cell.backbone, cell.strategy, cell.seed)
        try:
            record = records.read(path)
        except (RecordError, OSError):
            continue
        if record.status == "done" and record.key == cell.key:
            found[cell.key] = record
    return found


def execute(plan: Plan, shop: Workshop, out: Path, reporter: Reporter) -> Outcome:
    """Run every cell that has no record yet; a cell that fails is recorded with its error and the rest goes on.

    KeyboardInterrupt passes through, with every finished job and cell kept.
    """
    stored = stored_records(plan, out, shop.suite.name)
    reporter.begin(plan, stored)
    failed: dict[str, str] = {}
    failures, done = [], 0
    try:
        for cell in plan.cells:
            if cell.key in stored:
                continue
            record = _run_cell(plan, shop, cell, failed, reporter)
            records.write(record, out)
            reporter.cell_done(cell, record)
            done += record.status == "done"
            if record.status == "failed":
                failures.append(cell)
    finally:
        reporter.end()
    return Outcome(len(stored), done, tuple(failures))


def _run_cell(plan: Plan, shop: Workshop, cell: Cell, failed: dict[str, str], reporter: Reporter) -> Record:
    try:
        for chain in cell.jobs:
            for key in chain:
                _run_job(plan, shop, cell, key, failed, reporter)
        return done_record(shop, plan, cell)
    except Exception as error:  # a cell's failure, a plugin's too, must not end the run
        reason = str(error) if isinstance(error, JobFailed) else f"{type(error).__name__}: {error}"
        return failed_record(shop, cell, reason or type(error).__name__, traceback.format_exc())


def failed_record(shop: Workshop, cell: Cell, reason: str, trace: str) -> Record:
    """Return the record of a cell that failed for `reason`; keep `trace` where the user is told to look for it."""
    write_bytes(shop.store.work / "failures" / f"{cell.key}.txt", trace.encode())
    return blank_record(shop, cell, " ".join(reason.split())[:500])


def _run_job(plan: Plan, shop: Workshop, cell: Cell, key: str, failed: dict[str, str], reporter: Reporter) -> None:
    if key in failed:
        raise JobFailed(failed[key])
    if shop.store.result(key) is not None:
        return
    job = plan.jobs[key]
    reporter.job_started(job, cell)
    try:
        result = run_job(shop, job, lambda step, steps: reporter.progress(job, step, steps))
    except Exception as error:
        failed[key] = f"{type(error).__name__}: {error}"
        raise
    reporter.job_done(job, result)
