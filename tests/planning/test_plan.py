"""Keys name states: what shares a job, what does not, and that cutting a stage changes no key."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from benchmarks.data.split import StageData
from benchmarks.planning.plan import Plan, Setting, make_plan
from benchmarks.planning.stages import Stage
from benchmarks.running.session import Request, open_session
from strategies import registry
from strategies.base import Facts, Phase, Progress, Strategy
from tests.making import digits_suite

EPOCHS = 10


@pytest.fixture
def deferred(own_registry: None) -> None:
    """Register strategies with phases, post-hoc ones, and one of stage 2 only, for one test."""

    @registry.register
    @dataclasses.dataclass(frozen=True)
    class Deferred(Strategy):
        name: ClassVar[str] = "t-deferred"
        start: int = 8

        def phases(self, epochs: int, facts: Facts) -> Sequence[Phase]:
            return (Phase(0, self.start, active=False), Phase(self.start, epochs))

        def class_weights_C(self, facts: Facts, progress: Progress) -> np.ndarray:
            return 1 / facts.counts

    @registry.register
    @dataclasses.dataclass(frozen=True)
    class AfterTheFact(Strategy):
        name: ClassVar[str] = "t-posthoc"

        def predict(self, outputs, facts):
            return outputs.logits_BC

    @registry.register
    @dataclasses.dataclass(frozen=True)
    class SecondOnly(Strategy):
        name: ClassVar[str] = "t-second"

        def phases(self, epochs: int, facts: Facts) -> Sequence[Phase]:
            return (Phase(0, epochs, active=facts.stage == 2),)

        def class_weights_C(self, facts: Facts, progress: Progress) -> np.ndarray:
            return 1 / facts.counts

    @registry.register
    @dataclasses.dataclass(frozen=True)
    class AtTheEnd(Strategy):
        name: ClassVar[str] = "t-end"

        def phases(self, epochs: int, facts: Facts) -> Sequence[Phase]:
            return (Phase(0, epochs, active=False), Phase(epochs, epochs))

        def after_training(self, network, facts, trained):
            pass


def plan(
    *strategies: str,
    seeds: int = 1,
    fingerprint: str = "data",
    dtype: str = "float32",
    device: str = "cpu",
    **recipe: object,
) -> Plan:
    suite = digits_suite({"epochs": {"head": EPOCHS, "tail": EPOCHS}, **recipe})
    stages = (_stage(1, "head"), _stage(2, "tail"))
    setting = Setting(fingerprint, suite, stages, {"net": {"dtype": dtype}}, {}, device=device)
    return make_plan(setting, ["net"], strategies, range(seeds))


def _stage(number: int, name: str) -> Stage:
    rows = np.arange(10)
    data = StageData(stage=number, name=name, classes=(0, 1), train_rows=rows, validation_rows=rows, test_rows=rows)
    return Stage(data, Facts((6, 4), ("a", "b"), number), np.zeros(10, dtype=np.int64))


def test_plain_training_is_one_job_per_stage_in_a_chain() -> None:
    made = plan("none")
    (cell,) = made.cells
    head, tail = (made.jobs[chain[-1]] for chain in cell.jobs)
    assert [len(chain) for chain in cell.jobs] == [1, 1]
    assert (head.parent, tail.parent, tail.continues) == (None, head.key, False)
    assert head.ends_stage and tail.ends_stage
    assert made.epochs_asked() == made.epochs_executed() == 2 * EPOCHS


def test_cells_that_train_differently_share_nothing() -> None:
    made = plan("none", "oversample", "loss-weights")
    assert len(made.jobs) == 6


def test_deferred_training_shares_its_beginning_and_cutting_changes_no_key(deferred: None) -> None:
    alone, together = plan("none"), plan("none", "t-deferred", "t-deferred(start=5)")
    assert alone.cells[0].jobs[0][-1] == together.cells[0].jobs[0][-1]
    assert alone.cells[0].key == together.cells[0].key
    spans = [(together.jobs[k].start, together.jobs[k].end) for k in together.cells[0].jobs[0]]
    assert spans == [(0, 5), (5, 8), (8, 10)]
    # Stage 1: 10 plain + 2 deferred at 8 + 5 deferred at 5; stage 2 starts from three different states.
    assert together.epochs_executed() == (10 + 2 + 5) + 3 * EPOCHS
    assert together.epochs_asked() == 3 * 2 * EPOCHS


def test_what_only_changes_predictions_trains_nothing(deferred: None) -> None:
    made = plan("none", "t-posthoc")
    assert made.epochs_executed() == 2 * EPOCHS
    assert made.cells[0].jobs == made.cells[1].jobs
    assert made.cells[0].key != made.cells[1].key


def test_a_strategy_of_stage_two_shares_stage_one(deferred: None) -> None:
    made = plan("none", "t-second")
    assert made.cells[0].jobs[0] == made.cells[1].jobs[0]
    assert made.cells[0].jobs[1] != made.cells[1].jobs[1]


def test_an_empty_stretch_at_the_end_shares_all_the_training(deferred: None) -> None:
    made = plan("none", "t-end")
    plain, end = made.cells
    assert end.jobs[0][:-1] == plain.jobs[0]
    last = made.jobs[end.jobs[0][-1]]
    assert (last.start, last.end, last.epochs, last.strategy) == (EPOCHS, EPOCHS, 0, "t-end")
    assert last.ends_stage and made.jobs[plain.jobs[0][-1]].ends_stage


def test_parents_come_before_their_children(deferred: None) -> None:
    made = plan("t-deferred", "none", "t-end", "t-second", seeds=2)
    seen: set[str] = set()
    for job in made.jobs.values():
        assert job.parent is None or job.parent in seen
        seen.add(job.key)


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": "other"},
        {"dtype": "bfloat16"},
        {"device": "cuda"},
        {"tf32": True},
        {"learning_rate": 0.3},
        {"shift": 0.2},
    ],
)
def test_everything_that_changes_weights_changes_the_key(change: dict[str, object]) -> None:
    assert plan("none").cells[0].jobs[0][0] != plan("none", **change).cells[0].jobs[0][0]  # type: ignore[arg-type]


def test_how_kernels_are_launched_changes_no_key() -> None:
    assert plan("none").cells == plan("none", cuda_graphs=False).cells


def test_seeds_share_nothing_and_the_first_user_bears_the_cost() -> None:
    made = plan("none", seeds=2)
    assert len(made.jobs) == 4
    assert {cell.seed for cell in made.first_user.values()} == {0, 1}


def test_what_needs_a_validation_part_is_left_out_with_a_line_where_there_is_none() -> None:
    suite = digits_suite()
    stage = _stage(1, "head")
    bare = dataclasses.replace(stage, data=dataclasses.replace(stage.data, validation_rows=np.arange(0)))
    setting = Setting("data", suite, (bare,), {"net": {}}, {})
    made = make_plan(setting, ["net"], ["none", "oversample-weak"], range(1))
    assert [cell.strategy for cell in made.cells] == ["none"]
    assert made.left_out == ("oversample-weak is left out: digits-test has no validation rows.",)


def test_a_session_says_where_the_class_counts_are_corrected_for_twice(tmp_path: Path) -> None:
    said: list[str] = []
    asked = ("oversample+balanced-softmax", "oversample")
    request = Request(suite=digits_suite(), device="cpu", out=tmp_path, strategies=asked)
    open_session(request, said.append, lambda *progress: None)
    assert said == [
        "oversample+balanced-softmax: the class counts are corrected for twice, by balanced-softmax and by oversample."
    ]
