"""What lies in an output folder, and what of it can go: for `status` and `clean`."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from collections.abc import Iterator
from pathlib import Path

from benchmarks import planned, records
from benchmarks.files import LEFT
from benchmarks.plan import Cell
from benchmarks.records import Record
from benchmarks.store import Store

JOB_KEY = re.compile(r"[0-9a-f]{20}")


@dataclasses.dataclass(frozen=True)
class SuiteState:
    """The cells of a suite: records done and failed, cells that were asked for and have no record (`missing`)."""

    name: str
    done: tuple[Record, ...]
    failed: tuple[Record, ...]
    missing: tuple[Cell, ...]


@dataclasses.dataclass(frozen=True)
class FolderState:
    """All suites, jobs finished and begun, bytes by kind of file, and a sentence per record that cannot be read."""

    suites: tuple[SuiteState, ...]
    finished: int
    begun: int
    sizes: dict[str, int]
    problems: tuple[str, ...]


def look(out: Path) -> FolderState:
    """Return what lies below `out`; nothing is written and no data is loaded."""
    store = Store(out)
    asked = planned.every(store.work)
    suites, problems = [], []
    by_folder = {records.safe_name(name): name for name in asked}
    for folder in sorted({*by_folder, *(path.parent.name for path in out.glob("*/records"))}):
        found, bad = records.read_all(out / folder / "records")
        problems += bad
        name = by_folder.get(folder, folder)
        there = {(r.backbone, r.strategy, r.seed) for r in found}
        missing = [c for c in asked.get(name, ()) if (c.backbone, c.strategy, c.seed) not in there]
        done, failed = ([r for r in found if r.status == status] for status in ("done", "failed"))
        suites.append(SuiteState(name, tuple(done), tuple(failed), tuple(missing)))
    keys = _job_keys(store)
    finished = sum(store.result(key) is not None for key in keys)
    begun = sum(store.result(key) is None and any(store.folder(key).glob("*checkpoint*")) for key in keys)
    return FolderState(tuple(suites), finished, begun, _sizes(out), tuple(problems))


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
    asked = [cell for cells in planned.every(store.work).values() for cell in cells]
    waiting = {key for cell in asked if cell.key not in done_cells for key in cell.needed}
    for key in _job_keys(store):
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


def _job_keys(store: Store) -> list[str]:
    found = (store.work / "jobs").glob("*")  # other programs' folders, and links to other places, are not ours to clean
    return sorted(p.name for p in found if JOB_KEY.fullmatch(p.name) and p.is_dir() and not p.is_symlink())


def _sizes(out: Path) -> dict[str, int]:
    """Return bytes by kind of file."""
    sizes = {"records": 0, "predictions": 0, "states": 0, "checkpoints": 0, "other": 0}
    for folder, _, names in os.walk(out):  # which goes on where a run at work removes what it is about to see
        for path in (Path(folder, name) for name in names):
            kind = (
                "checkpoints" if "checkpoint" in path.name else "states" if path.name.startswith("state.") else "other"
            )
            kind = "predictions" if path.name == "predictions.npz" else kind
            kind = "records" if path.parent.parent.name == "records" else kind
            with contextlib.suppress(OSError):
                sizes[kind] += path.lstat().st_size
    return sizes
