"""The contents of an output folder: for the command `status`."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from pathlib import Path

from benchmarks.planning.plan import Cell
from benchmarks.planning.store import Store
from benchmarks.records import storage
from benchmarks.records.record import Record
from benchmarks.running import requested

JOB_KEY = re.compile(r"[0-9a-f]{20}")


@dataclasses.dataclass(frozen=True)
class SuiteState:
    """The cells of a suite: done and failed records, and requested cells without a record (`missing`)."""

    name: str
    done: tuple[Record, ...]
    failed: tuple[Record, ...]
    missing: tuple[Cell, ...]


@dataclasses.dataclass(frozen=True)
class FolderState:
    """All suites, counts of finished and begun jobs, bytes by kind of file, a sentence per unreadable record."""

    suites: tuple[SuiteState, ...]
    finished: int
    begun: int
    sizes: dict[str, int]
    problems: tuple[str, ...]


def look(out: Path) -> FolderState:
    """Return the state of the folder `out`; writes nothing and loads no data."""
    store = Store(out)
    asked = requested.every(store.work)
    suites, problems = [], []
    by_folder = {storage.safe_name(name): name for name in asked}
    for folder in sorted({*by_folder, *(path.parent.name for path in out.glob("*/records"))}):
        found, bad = storage.read_all(out / folder / "records")
        problems += bad
        name = by_folder.get(folder, folder)
        there = {(r.backbone, r.strategy, r.seed, r.split) for r in found if r.tuned is None}
        missing = [c for c in asked.get(name, ()) if (c.backbone, c.strategy, c.seed, c.split) not in there]
        done, failed = ([r for r in found if r.status == status] for status in ("done", "failed"))
        suites.append(SuiteState(name, tuple(done), tuple(failed), tuple(missing)))
    keys = job_keys(store)
    finished = sum(store.result(key) is not None for key in keys)
    begun = sum(store.result(key) is None and any(store.folder(key).glob("*checkpoint*")) for key in keys)
    return FolderState(tuple(suites), finished, begun, _sizes(out), tuple(problems))


def job_keys(store: Store) -> list[str]:
    """Return the keys of the store's job folders; links and other programs' folders are ignored."""
    found = (store.work / "jobs").glob("*")
    return sorted(p.name for p in found if JOB_KEY.fullmatch(p.name) and p.is_dir() and not p.is_symlink())


def _sizes(out: Path) -> dict[str, int]:
    """Return bytes by kind of file."""
    sizes = {"records": 0, "predictions": 0, "states": 0, "checkpoints": 0, "other": 0}
    for folder, _, names in os.walk(out):  # os.walk tolerates files that a running run removes meanwhile
        for path in (Path(folder, name) for name in names):
            kind = (
                "checkpoints" if "checkpoint" in path.name else "states" if path.name.startswith("state.") else "other"
            )
            kind = "predictions" if path.name == "predictions.npz" else kind
            kind = "records" if path.parent.parent.name == "records" else kind
            with contextlib.suppress(OSError):
                sizes[kind] += path.lstat().st_size
    return sizes
