"""Which jobs of a plan still have to be trained, and which states can be deleted."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.planning.plan import Cell, Job, Plan
from benchmarks.planning.store import Store


def pending(plan: Plan, store: Store, cells: Iterable[Cell]) -> dict[str, Job]:
    """Return the jobs that `cells` wait for, parents first, by key.

    A finished job is trained again if its state was removed and an unfinished job starts from it.
    """
    found: dict[str, Job] = {}

    def add(key: str, state: bool) -> None:
        """Add a job after its parents, unless it is done and (if `state`) its state exists."""
        if key in found or (store.result(key) is not None and (not state or store.state(key).exists())):
            return
        job = plan.jobs[key]
        if job.parent:
            add(job.parent, state=True)
        found[key] = job

    for cell in cells:
        for key in cell.needed:
            add(key, state=False)
    return found


def prune(plan: Plan, store: Store, cell: Cell) -> None:
    """Remove the states of the cell's finished jobs once every job of the plan that starts from them is finished.

    States of plain training stay: strategies that act after it, or train its classifier again, may be run later.
    """
    for key in cell.needed:
        if plan.jobs[key].strategy == "none":
            continue
        # last child first: it is the most likely to be unfinished, and then one read is enough
        if all(store.result(needed) is not None for needed in (*reversed(plan.children.get(key, ())), key)):
            store.state(key).unlink(missing_ok=True)
