"""Compare a cell that was run again with its record: for the command `verify`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.planning.store import Store
from benchmarks.records import storage
from benchmarks.records.bits import unpack_bits
from benchmarks.records.record import Record, StageResult
from benchmarks.support.errors import UserError
from benchmarks.tools.recorded import Recorded

GPU_HITS = 0.05  # share of a stage's rows: the order of GPU additions varies, and training amplifies it


def run_again(cell: Recorded, folder: Path) -> Record:
    """Run the cell into `folder`, with its layout and precision, and return the new record.

    Raises UserError if the data or weights are missing, or if the cell fails this time.
    """
    from benchmarks.progress.reporter import PlainReporter, say
    from benchmarks.running.cells import file_of
    from benchmarks.running.local import execute

    session, planned = cell.plan_again(folder, say)
    execute(session.plan, session.context, folder, PlainReporter(), only=[planned])
    again = storage.read(file_of(planned, folder, session.context.suite.name))
    if again.status == "failed":
        raise UserError(f"{planned.name} fails when it is run again: {again.error}.")
    return again


def differences(record: Record, again: Record, out: Path, fresh: Path) -> Iterator[str]:
    """Yield one sentence per difference: on CPU any bit; on GPU only hits that differ on more than `GPU_HITS`.

    Predictions are compared if the record's are still below `out`.
    """
    exact = _exact(record, again)
    for one, other in zip(record.stages, again.stages, strict=True):
        if (one.classes, one.test_n, one.rows_key) != (other.classes, other.test_n, other.rows_key):
            yield f"stage {one.name}: classes or test rows differ"
            continue
        hits = _hits(one, other, 0.0 if exact else GPU_HITS)
        logits = _logits(one, Store(out), Store(fresh)) if exact else None
        yield from (f"stage {one.name}: {text}" for text in (hits, logits) if text)


def agreement(record: Record, again: Record, out: Path) -> str:
    """Return what was compared, for a cell without differences."""
    if not _exact(record, again):
        return f"hits, on all but {GPU_HITS:.0%} of the rows"
    kept = all(any(Store(out).has_predictions(key) for key in stage.jobs) for stage in record.stages)
    return "bits" if kept else "hits; its predictions were removed and could not be compared"


def _exact(record: Record, again: Record) -> bool:
    return record.environment.device == again.environment.device == "cpu"


def _hits(one: StageResult, other: StageResult, tolerance: float) -> str | None:
    """Return where top-1 or top-5 hits differ first, if they differ on more than `tolerance` of the rows."""
    for top in (1, 5):
        before, now = (unpack_bits(getattr(s, f"top{top}_bits"), s.rows) for s in (one, other))
        rows = np.flatnonzero(before != now)
        if len(rows) > tolerance * one.rows:
            class_ = int(np.searchsorted(np.cumsum(one.test_n), rows[0], side="right"))
            within = int(rows[0]) - sum(one.test_n[:class_])
            return (
                f"top-{top} hits differ on {len(rows)} of {one.rows} rows, first on row {within} of class "
                f"{one.classes[class_]!r} (stored {bool(before[rows[0]])}, now {bool(now[rows[0]])})"
            )
    return None


def _logits(one: StageResult, stored: Store, fresh: Store) -> str | None:
    """Return where stored predictions, companions' too, differ first; None if they are equal or were removed.

    The last job of a stage and of each companion has predictions.
    """
    for key in one.jobs:
        if not (stored.has_predictions(key) and fresh.has_predictions(key)):
            continue
        before, now = stored.predictions(key), fresh.predictions(key)
        for name in sorted(before):
            if name not in now or before[name].shape != now[name].shape:
                return f"predictions {name!r} have another shape"
            other = before[name] != now[name]
            rows = np.flatnonzero(other.any(axis=tuple(range(1, other.ndim))))
            if len(rows):
                most = float(np.abs(before[name] - now[name]).max())
                where = f"on {len(rows)} of {len(before[name])} rows, first on row {rows[0]}"
                return f"predictions {name!r} differ {where}, by up to {most:.3g}"
    return None


def machine_changes(record: Record, again: Record) -> list[str]:
    """Return differences between the two machines and their libraries, which may explain a difference in results."""
    here, there = (
        {**of.versions, **of.hardware, "threads": of.threads} for of in (again.environment, record.environment)
    )
    return [
        f"{name} {there[name]} then, {here[name]} now" for name in there if name in here and here[name] != there[name]
    ]


def same_cell(record: Record, again: Record) -> str | None:
    """Return why the repeated cell is not the recorded one, None if it is."""
    before, now = record.setup.fingerprint, again.setup.fingerprint
    if before != now:
        return f"the data differ (fingerprint {before[:12]}, here {now[:12]})"
    if record.key != again.key:
        return "this version or these initial weights change its training (its key differs)"
    return None
