"""The keys of a small plan, written down, so that no change of keys goes unnoticed."""

from __future__ import annotations

import numpy as np

from benchmarks.data.split import StageData
from benchmarks.planning.plan import Setting, make_plan
from benchmarks.planning.stages import Stage
from strategies.base import Facts
from tests.making import digits_suite

# strategy -> key of its cell, keys of its jobs in both stages
KEYS = {
    "none": ("dd5690ee34a7605a61de", ("53564062a45af696a0ff", "cf673e070cdd93b122bb", "815f6ca5de46f3b4c883")),
    "crt": (
        "e6e15dc9d61b77367447",
        ("53564062a45af696a0ff", "7afdc16b10caf6714013", "9c88780fa0afd51d2404", "371b273252a6b2b95814"),
    ),
}


def _stage(number: int, name: str) -> Stage:
    rows = np.arange(10)
    data = StageData(stage=number, name=name, classes=(0, 1), train_rows=rows, validation_rows=rows, test_rows=rows)
    return Stage(data, Facts((6, 4), ("a", "b"), number), np.zeros(10, dtype=np.int64))


def keys_of_a_small_plan() -> dict[str, tuple[str, tuple[str, ...]]]:
    suite = digits_suite({"epochs": {"head": 10, "tail": 10}, "image_size": 32})
    precision = {"test_resnet": {"layout": "contiguous", "dtype": "float32"}}
    setting = Setting("data", suite, (_stage(1, "head"), _stage(2, "tail")), precision, {})
    plan = make_plan(setting, ["test_resnet"], ["none", "crt"], range(1))
    return {cell.strategy: (cell.key, cell.needed) for cell in plan.cells}


def test_the_keys_of_a_small_plan_are_those_written_down() -> None:
    """Changed on purpose? Copy the new keys to `KEYS` and say in CHANGELOG.md that stored jobs are trained again."""
    assert keys_of_a_small_plan() == KEYS
