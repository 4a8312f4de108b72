"""Which states go once the jobs that start from them are done, and that asking costs a run's length, not its square."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.planning.pending import prune
from benchmarks.planning.plan import Cell, Plan
from benchmarks.planning.store import JobResult, Store
from tests.making import plain_job


class CountingStore(Store):
    """Counts the results that are read."""

    reads = 0

    def result(self, key: str) -> JobResult | None:
        self.reads += 1
        return super().result(key)


def _finish(store: Store, key: str) -> None:
    store.finish(JobResult(key, seconds=1.0, images=1, epochs=1, losses=(1.0,), peak_memory_bytes=1))
    store.state(key).write_bytes(b"state")


def _shared_by(cells: int) -> Plan:
    """Return a plan in which every cell's own job starts from one that all share."""
    names = [f"own{number}" for number in range(cells)]
    jobs = {"shared": plain_job("shared", strategy="mixup")}
    jobs |= {name: plain_job(name, strategy="oversample", parent="shared", continues=True) for name in names}
    return Plan(jobs, tuple(Cell("b", name, 0, (("shared", name),), name) for name in names))


@pytest.mark.parametrize("cells", [10, 40])
def test_a_state_goes_with_the_last_job_that_needs_it_after_reads_in_proportion_to_the_cells(
    tmp_path: Path, cells: int
) -> None:
    plan, store = _shared_by(cells), CountingStore(tmp_path)
    _finish(store, "shared")
    for number, cell in enumerate(plan.cells):
        assert store.state("shared").exists(), f"{cells - number} jobs still start from it"
        _finish(store, cell.strategy)
        prune(plan, store, cell)
        assert not store.state(cell.strategy).exists()
    assert not store.state("shared").exists()
    assert store.reads <= 4 * cells


def test_the_states_of_plain_training_stay(tmp_path: Path) -> None:
    plan, store = Plan({"a": plain_job("a")}, (Cell("b", "none", 0, (("a",),), "c"),)), Store(tmp_path)
    _finish(store, "a")
    prune(plan, store, plan.cells[0])
    assert store.state("a").exists()
