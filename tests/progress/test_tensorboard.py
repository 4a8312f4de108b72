"""TensorBoard logs, read back with TensorBoard's own reader."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

from benchmarks.planning.plan import Cell, Plan
from benchmarks.planning.store import JobResult, Store
from benchmarks.progress.events import RunStarted
from benchmarks.progress.tensorboard import TensorBoardReporter
from benchmarks.records.ranking import stage_means
from benchmarks.support.errors import UserError
from tests.leaderboard.make import record


def test_a_cell_leaves_the_loss_of_every_epoch_and_what_it_reached(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    store = Store(tmp_path)
    for key, losses in {"a": (3.0, 2.0), "b": (1.5,), "c": (4.0, 0.5)}.items():
        store.finish(JobResult(key, 1.0, 10, len(losses), losses, 0))
    cell = Cell("resnet10t", "a+b(x=1)", 3, (("a", "b"), ("c",)), "cell")
    found = dataclasses.replace(record(), suite="toy")
    reporter = TensorBoardReporter(tmp_path / "logs", store)
    reporter.tell(RunStarted(Plan({}, (cell,)), {"cell": found}))
    reporter.tell(RunStarted(Plan({}, (cell,)), {"cell": found}))  # done already
    (events,) = (tmp_path / "logs/toy/resnet10t/a+b(x=1)-seed3").iterdir()
    scalars = accumulator.EventAccumulator(str(events)).Reload().Scalars
    assert [(e.step, e.value) for e in scalars("head/loss")] == [(1, 3.0), (2, 2.0), (3, 1.5)]
    assert [(e.step, e.value) for e in scalars("tail/loss")] == [(1, 4.0), (2, 0.5)]
    overall, class_mean = stage_means(found)["tail"]
    assert [(e.step, e.value) for e in scalars("tail/top-1")] == [(2, pytest.approx(overall))]
    assert [(e.step, e.value) for e in scalars("tail/class mean")] == [(2, pytest.approx(class_mean))]


def test_without_tensorboard_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UserError, match=r"pip install -e \.\[tensorboard\]"):
        TensorBoardReporter(tmp_path, Store(tmp_path))
