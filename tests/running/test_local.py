"""A plan carried out: every job once, failures kept to their cell, nothing twice."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from benchmarks.progress.events import Event, JobDone, JobStarted
from benchmarks.progress.reporter import Reporters
from benchmarks.records import storage
from benchmarks.records.hits import all_hits, own_hits, per_class
from benchmarks.running.cells import stored_records
from benchmarks.running.local import execute
from strategies import registry
from strategies.base import Facts, Outputs, Progress, Strategy
from tests.making import BACKBONE, digits_session, digits_suite


class Counting:
    """Counts what is trained."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.finished: list[str] = []

    def tell(self, event: Event) -> None:
        match event:
            case JobStarted(job):
                self.started.append(job.key)
            case JobDone(job):
                self.finished.append(job.key)


@pytest.fixture
def further(own_registry: None) -> None:
    """Register one strategy that only changes predictions, and one that breaks in training."""

    @registry.register
    @dataclasses.dataclass(frozen=True)
    class FirstClassAlways(Strategy):
        name: ClassVar[str] = "t-first-always"

        def predict(self, outputs: Outputs, facts: Facts):
            import torch

            logits_NC = torch.zeros_like(outputs.logits_BC)
            logits_NC[:, 0] = 1
            return logits_NC

    @registry.register
    @dataclasses.dataclass(frozen=True)
    class Breaks(Strategy):
        name: ClassVar[str] = "t-breaks"

        def class_weights_C(self, facts: Facts, progress: Progress) -> np.ndarray:
            raise ZeroDivisionError("no weights today")


def test_every_distinct_job_is_trained_once_and_a_second_run_trains_nothing(tmp_path: Path, further: None) -> None:
    session = digits_session(tmp_path, strategies=("none", "t-first-always", "oversample"))
    counting = Counting()
    outcome = execute(session.plan, session.context, tmp_path, counting)
    assert (outcome.stored, outcome.done, outcome.failed) == (0, 3, ())
    assert sorted(counting.started) == sorted(session.plan.jobs) == sorted(counting.finished)
    assert len(session.plan.jobs) == 4  # what only changes predictions trains nothing

    again, counting = digits_session(tmp_path, strategies=("none", "t-first-always", "oversample")), Counting()
    assert execute(again.plan, again.context, tmp_path, counting).stored == 3
    assert counting.started == []


def test_a_record_says_what_the_predictions_give_and_what_the_cell_cost(tmp_path: Path, further: None) -> None:
    session = digits_session(tmp_path, strategies=("none", "t-first-always"))
    execute(session.plan, session.context, tmp_path, Reporters())
    plain, first = (
        storage.read(storage.record_path(tmp_path, "digits-test", BACKBONE, name, 0))
        for name in ("none", "t-first-always")
    )
    for number, stage in enumerate(session.context.stages):
        logits_NC = session.context.store.predictions(session.plan.cells[0].jobs[number][-1])["test"]
        labels_N = stage.labels_N[stage.data.test_rows]
        hit_N = logits_NC.argmax(1) == labels_N
        expected_C = [int(hit_N[labels_N == c].sum()) for c in range(stage.facts.num_classes)]
        assert list(plain.stages[number].top1_hits) == expected_C
        assert per_class(hit_N, labels_N, len(expected_C)) == plain.stages[number].top1_hits
        tested = plain.stages[number].test_n
        assert first.stages[number].top1_hits == (tested[0],) + (0,) * (len(tested) - 1)
    assert plain.cost.seconds_marginal == plain.cost.seconds_alone == first.cost.seconds_alone > 0
    assert first.cost.seconds_marginal == 0


def test_a_cell_that_fails_is_recorded_with_its_error_and_the_rest_goes_on(tmp_path: Path, further: None) -> None:
    session = digits_session(tmp_path, strategies=("t-breaks", "none"))
    outcome = execute(session.plan, session.context, tmp_path, Reporters())
    assert [cell.strategy for cell in outcome.failed] == ["t-breaks"]
    broken = storage.read(storage.record_path(tmp_path, "digits-test", BACKBONE, "t-breaks", 0))
    assert (broken.status, broken.error) == ("failed", "ZeroDivisionError: no weights today")
    assert "no weights today" in (session.context.store.work / "failures" / f"{broken.key}.txt").read_text()
    assert [r.strategy for r in stored_records(session.plan, tmp_path, "digits-test").values()] == ["none"]


def test_the_joint_protocol_is_one_stage_over_all_classes(tmp_path: Path) -> None:
    session = digits_session(tmp_path, digits_suite(protocol="joint"))
    execute(session.plan, session.context, tmp_path, Reporters())
    record = storage.read(storage.record_path(tmp_path, "digits-test", BACKBONE, "none", 0))
    assert [(stage.name, len(stage.classes), stage.rows) for stage in record.stages] == [("all", 10, 500)]
    head = int(record.setup.recipe["head_classes"])
    (stage,) = session.context.stages
    labels_N = stage.labels_N[stage.data.test_rows]
    logits_NC = session.context.store.predictions(record.stages[0].jobs[-1])["test"]
    for part, of_part_N, classes in (
        ("head", labels_N < head, slice(0, head)),
        ("tail", labels_N >= head, slice(head, 10)),
    ):
        right_N = logits_NC[of_part_N, classes].argmax(axis=1) + classes.start == labels_N[of_part_N]
        by_class_N = np.argsort(labels_N[of_part_N], kind="stable")
        assert own_hits(record, part).tolist() == right_N[by_class_N].tolist()
        assert all_hits(record, part).sum() <= right_N.sum() < of_part_N.sum()
