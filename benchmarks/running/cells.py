"""What every executor does with cells: find stored and failed ones, prepare the folder, write records."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from backbones.files import sweep, write_bytes
from benchmarks.planning.plan import Cell, Plan
from benchmarks.planning.store import Store
from benchmarks.progress.events import Note
from benchmarks.progress.reporter import Reporter
from benchmarks.records import storage
from benchmarks.records.record import Record, RecordError
from benchmarks.running import requested
from benchmarks.running.context import RunContext
from benchmarks.running.scoring import blank_record
from benchmarks.running.supervised import Supervised
from benchmarks.support.errors import one_line


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The outcome of a run: how many cells were stored before, how many it finished, and which failed."""

    stored: int
    done: int
    failed: tuple[Cell, ...]


def file_of(cell: Cell, out: Path, suite: str) -> Path:
    """Return the file of a cell's record."""
    return storage.record_path(out, cell.variant or suite, cell.backbone, cell.strategy, cell.seed, cell.split)


def stored_records(plan: Plan, out: Path, suite: str) -> dict[str, Record]:
    """Return the finished records of the plan's cells, by cell key; records with an outdated key do not count."""
    found = {}
    for cell in plan.cells:
        try:
            record = storage.read(file_of(cell, out, suite))
        except (RecordError, OSError):
            continue
        if record.status == "done" and record.key == cell.key:
            found[cell.key] = record
    return found


def failed_cells(plan: Plan, out: Path, suite: str) -> list[Cell]:
    """Return the cells of the plan whose record says that they failed."""
    found = []
    for cell in plan.cells:
        with contextlib.suppress(RecordError):
            record = storage.read(file_of(cell, out, suite))
            if record.status == "failed":
                found.append(cell)
    return found


def prepare(
    plan: Plan, context: RunContext, out: Path, only: Sequence[Cell] | None, supervised: Supervised
) -> tuple[dict[str, Record], list[Cell]]:
    """Return the finished records, as `stored_records`, and the cells of `plan` (or of `only`) that have none.

    Prepares the output folder for running them (their records go to `out`): removes attempts noted by earlier runs,
    temporary files, and results with unreadable predictions.
    """
    stored = stored_records(plan, out, context.suite.name)
    todo = [cell for cell in (plan.cells if only is None else only) if cell.key not in stored]
    if not supervised.restarted:
        supervised.attempts.forget(context.store.work)
    sweep(context.store.work)
    requested.note(plan, Store(out).work, context.suite.name)
    for key in {chain[-1] for cell in todo for chains in (cell.jobs, *cell.companions) for chain in chains}:
        context.store.drop_damaged(key)
    return stored, todo


def write_record(record: Record, out: Path, reporter: Reporter) -> bool:
    """Write the record; if that fails (a full disk), report it and return False."""
    try:
        storage.write(record, out)
    except OSError as error:
        line = f"the record of {record.backbone} | {record.strategy} cannot be written: {error.strerror}"
        reporter.tell(Note(line))
        return False
    return True


def failed_record(context: RunContext, cell: Cell, reason: str, trace: str) -> Record:
    """Return the record of a cell that failed for `reason`; write `trace` to the file that messages point to."""
    with contextlib.suppress(OSError):  # a full disk: the record still says why
        write_bytes(context.store.work / "failures" / f"{cell.key}.txt", trace.encode(errors="replace"))
    return blank_record(context, cell, one_line(reason)[:500] or "it failed without a message")


def reason_of(error: BaseException) -> str:
    """Return an error as the reason in a record."""
    return f"{type(error).__name__}: {error}".removesuffix(".")
