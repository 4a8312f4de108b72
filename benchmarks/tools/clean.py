"""What of an output folder can be made again and may go: for the command `clean`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.planning.store import Store
from benchmarks.running import requested
from benchmarks.support.files import LEFT
from benchmarks.tools.status import job_keys, look


def removable(out: Path) -> Iterator[Path]:
    """Yield the files below `out` that can be made again and that nothing asked for is waiting for.

    States of jobs whose cells are done; whole jobs that no record and no missing cell names (of earlier recipes, data
    or versions); tracebacks of cells that are done by now; what killed writers left. Records, leaderboards and the
    predictions behind records stay, and so does the work of an interrupted run. Where a record cannot be read, jobs
    that no record names stay too: they may be its own.
    """
    store, state = Store(out), look(out)
    done = {key for suite in state.suites for r in suite.done for stage in r.stages for key in stage.jobs}
    done_cells = {r.key for suite in state.suites for r in suite.done}
    asked = [cell for cells in requested.every(store.work).values() for cell in cells]
    waiting = {key for cell in asked if cell.key not in done_cells for key in cell.needed}
    for key in job_keys(store):
        if key in waiting or (key not in done and state.problems):
            continue
        kept = ("result.json", "predictions.npz") if key in done else ()
        files = (path for path in sorted(store.folder(key).iterdir()) if store.FILES.fullmatch(path.name))
        yield from (path for path in files if path.name not in kept and not path.is_dir())
    failed = {r.key for suite in state.suites for r in suite.failed}
    yield from (path for path in sorted((store.work / "failures").glob("*.txt")) if path.stem not in failed)
    for place in (".", "*", "*/per-class", "*/records/*", ".work/*"):  # and no other program's files below them
        yield from (path for path in sorted(out.glob(f"{place}/.*.tmp")) if LEFT.fullmatch(path.name))


def remove(out: Path, files: list[Path]) -> None:
    """Remove the files, and the job folders that are empty then."""
    for path in files:
        path.unlink(missing_ok=True)
    for folder in (Store(out).work / "jobs").glob("*"):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
