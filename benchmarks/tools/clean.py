"""Find and remove files of an output folder that can be recomputed: for the command `clean`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from backbones.files import LEFT
from benchmarks.planning.store import Store
from benchmarks.records.storage import read_below
from benchmarks.running import requested
from benchmarks.tools.status import job_keys, look


def removable(out: Path) -> Iterator[Path]:
    """Yield the files below `out` that can be recomputed and that no requested cell still needs.

    These are states of jobs whose cells are done; all files of jobs that neither a record nor a missing cell uses
    (earlier recipes, data or versions); tracebacks of cells that have succeeded since; temporary files of killed
    processes. Records, leaderboards, the predictions of records and the work of an interrupted run are kept. If a
    record cannot be read, jobs that no record uses are kept too, because they may be that record's.
    """
    store, state = Store(out), look(out)
    done = {key for suite in state.suites for r in suite.done for stage in r.stages for key in stage.jobs}
    done_cells = {r.key for suite in state.suites for r in suite.done}
    asked = [cell for cells in requested.every(store.work).values() for cell in cells]
    trials = store.work / "trials"  # their records are apart from those that leaderboards read
    tried = [record for record in read_below(trials) if record.status == "done"]
    done |= {key for record in tried for stage in record.stages for key in stage.jobs}
    done_cells |= {record.key for record in tried}
    asked += [cell for cells in requested.every(Store(trials).work).values() for cell in cells]
    waiting = {key for cell in asked if cell.key not in done_cells for key in cell.needed}
    for key in job_keys(store):
        if key in waiting or (key not in done and state.problems):
            continue
        kept = ("result.json", "predictions.npz") if key in done else ()
        files = (path for path in sorted(store.folder(key).iterdir()) if store.FILES.fullmatch(path.name))
        yield from (path for path in files if path.name not in kept and not path.is_dir())
    failed = {r.key for suite in state.suites for r in suite.failed}
    yield from (path for path in sorted((store.work / "failures").glob("*.txt")) if path.stem not in failed)
    for place in (".", "*", "*/per-class", "*/records/*", ".work/*"):  # deeper files may belong to other programs
        yield from (path for path in sorted(out.glob(f"{place}/.*.tmp")) if LEFT.fullmatch(path.name))


def removable_from_cache(cache: Path) -> Iterator[Path]:
    """Yield the files of the cache that can be made again without a download: images, features, timings."""
    for folder in ("decoded", "features"):
        yield from (path for path in sorted((cache / folder).rglob("*")) if not path.is_dir() or path.is_symlink())
    yield from (path for path in (cache / "probe.json",) if path.is_file())


def remove(root: Path, files: Collection[Path]) -> None:
    """Remove the files, then the folders below `root` that they leave empty."""
    for path in files:
        path.unlink(missing_ok=True)
    for folder in sorted({above for path in files for above in path.parents if root in above.parents}, reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
