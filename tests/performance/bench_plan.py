"""What 5,040 cells cost apart from training: planning, finding what is left, pruning after each; and 504 of them.

Run with `tox -e bench`. A cost in proportion to the cells has a ratio of about 10, one in proportion to the square 100.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.data.split import StageData
from benchmarks.planning.pending import pending, prune
from benchmarks.planning.plan import Plan, Setting, make_plan
from benchmarks.planning.stages import Stage
from benchmarks.planning.store import JobResult, Store
from strategies.base import Facts
from tests.making import digits_suite

STRATEGIES = (
    "none",
    "crt",
    "drw",
    "mixup",
    "ldam",
    "oversample",
    "focal",
    "lws",
    "logit-adjust",
    "tau-norm",
    "cutmix",
    "ema",
)
SEEDS = 6


def _plan(cells: int) -> Plan:
    backbones = [f"net{number}" for number in range(cells // len(STRATEGIES) // SEEDS)]
    rows = np.arange(10)
    stages = tuple(
        Stage(StageData(number, name, (0, 1), rows, rows, rows), Facts((6, 4), ("a", "b"), number), rows % 2)
        for number, name in ((1, "head"), (2, "tail"))
    )
    setting = Setting("data", digits_suite(), stages, dict.fromkeys(backbones, {}), {})
    made = make_plan(setting, backbones, STRATEGIES, range(SEEDS))
    assert len(made.cells) == cells
    return made


def _finished(plan: Plan, folder: Path) -> Store:
    store = Store(folder)
    for key in plan.jobs:
        store.finish(JobResult(key, seconds=1.0, images=1, epochs=1, losses=(1.0,), peak_memory_bytes=1))
    return store


@pytest.mark.parametrize("cells", [504, 5040])
@pytest.mark.benchmark(group="planning")
def bench_planning(benchmark: BenchmarkFixture, cells: int) -> None:
    benchmark.pedantic(_plan, (cells,), rounds=2)


@pytest.mark.parametrize("cells", [504, 5040])
@pytest.mark.benchmark(group="looking at what is left, and pruning after each cell")
def bench_pruning(benchmark: BenchmarkFixture, tmp_path: Path, cells: int) -> None:
    plan = _plan(cells)
    store = _finished(plan, tmp_path)

    def run() -> None:
        assert not pending(plan, store, plan.cells)
        for cell in plan.cells:
            prune(plan, store, cell)

    benchmark.pedantic(run, rounds=2)
