"""Several draws of the same rows in one batch: what the hooks see of them, and what ends an epoch."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from benchmarks.running import job_state
from benchmarks.running.job import begin, run_job
from benchmarks.training import checkpoint
from benchmarks.training import loop as train
from strategies import registry
from strategies.base import Batch, Facts, Outputs, Progress, Step, Strategy, Trained
from strategies.combining.expression import parse
from tests.making import digits_session, digits_suite

SUITE = digits_suite({"epochs": {"head": 2, "tail": 1}})
SEEN: list[tuple[Batch, Outputs]] = []


class Thrice(Strategy):
    """Draws every row three times, with a second batch, and notes what its loss sees."""

    def views(self) -> int:
        return 3

    def second_C(self, facts: Facts, progress: Progress) -> np.ndarray:
        return facts.counts / facts.counts.sum()

    def mix(self, batch: Batch, facts: Facts, generator: torch.Generator) -> Batch:
        assert batch.second is not None and len(batch.second.views) == 2
        return Batch(batch.images_BCHW, batch.labels_B, batch.y_BC, second=batch.second)

    def loss(self, outputs: Outputs, batch: Batch, step: Step) -> None:
        SEEN.append((batch, outputs))
        assert step.network is not None


@pytest.fixture
def thrice(own_registry: None) -> str:
    """Register `Thrice`, for one test, and return its name."""
    SEEN.clear()
    name = "t-thrice"
    own = type("Own", (Thrice,), {"name": name, "summary": "tries views", "__module__": __name__})
    registry.register(dataclasses.dataclass(frozen=True)(own))
    return name


def test_views_are_the_same_rows_drawn_by_keys_of_their_own(thrice: str, tmp_path: Path) -> None:
    session = digits_session(tmp_path, SUITE, strategies=(thrice,))
    training = begin(session.context, session.plan.jobs[session.plan.cells[0].jobs[0][-1]])
    train.run(training, lambda *_: None, lambda _: None)
    keys = ((), ("view", 1), ("view", 2))
    for epoch in (0, 1):
        rows_N = train.epoch_rows(training, Progress(epoch, 2), (0, 1, epoch))
        second_N = train.second_rows(training, Progress(epoch, 2), (0, 1, epoch))
        assert second_N is not None
        batch, outputs = SEEN[epoch * len(SEEN) // 2]
        part = slice(0, len(batch.labels_B))
        for rows, given, more in ((rows_N, batch, ()), (second_N, batch.second, ("second",))):
            assert given is not None
            for view, key in zip((given, *given.views), keys, strict=True):
                images = training.batcher.epoch(rows, 16, *key, *more, 0, 1, epoch)
                assert torch.equal(view.images_BCHW, images(part)), (epoch, more, key)
                assert torch.equal(view.labels_B, given.labels_B) and torch.equal(view.y_BC, given.y_BC)
            assert not torch.equal(given.images_BCHW, given.views[0].images_BCHW)
        assert len(outputs.views) == 2 and all(o.logits_BC.shape == outputs.logits_BC.shape for o in outputs.views)


def test_the_outputs_of_each_view_are_the_networks(thrice: str, tmp_path: Path) -> None:
    session = digits_session(tmp_path, SUITE, strategies=(thrice,))
    training = begin(session.context, session.plan.jobs[session.plan.cells[0].jobs[0][-1]])
    training.network.eval()
    for pieces in (1, 2):
        training.pieces, training.step = pieces, 0
        SEEN.clear()
        with torch.no_grad():
            before = {name: tensor.clone() for name, tensor in training.network.state_dict().items()}
        train.one_epoch(training, lambda *_: None)
        batch, outputs = SEEN[0]
        training.network.load_state_dict(before)
        with torch.no_grad():
            for view, made in zip((batch, *batch.views), (outputs, *outputs.views), strict=True):
                logits_BC, features_BF = training.network(view.images_BCHW)
                torch.testing.assert_close(made.logits_BC.detach(), logits_BC, rtol=1e-4, atol=1e-5)
                torch.testing.assert_close(made.features_BF.detach(), features_BF, rtol=1e-4, atol=1e-5)


def test_views_of_stored_features_are_those_features(thrice: str, tmp_path: Path) -> None:
    session = digits_session(tmp_path, SUITE, strategies=(f"{thrice}+feature-smote(start=0.5)",))
    for key in session.plan.cells[0].jobs[0]:
        run_job(session.context, session.plan.jobs[key])
    batch, outputs = SEEN[-1]
    assert batch.features_BF is not None and batch.second is None and len(outputs.views) == 2
    assert all(torch.equal(view.features_BF, batch.features_BF) for view in batch.views)  # type: ignore[arg-type]


def test_a_combination_draws_as_often_as_the_part_that_asks_for_most() -> None:
    assert [parse(text).views() for text in ("none", "sam+ema", "bcl", "drw+bcl", "glmc")] == [1, 1, 3, 3, 2]


@pytest.fixture
def counting(own_registry: None) -> str:
    """Register a strategy that counts, in a buffer, steps of the epoch and epochs, for one test."""

    @registry.register
    @dataclasses.dataclass(frozen=True)
    class Counting(Strategy):
        name: ClassVar[str] = "t-counting"

        def attach(self, network: Any, facts: Facts) -> None:
            network.register_buffer("counts", torch.zeros(3))

        def after_step(self, network: Any, outputs: Outputs, batch: Batch, step: Step) -> None:
            network.counts[0] += 1
            network.classifier.bias.data.add_(network.counts[1])

        def after_epoch(self, network: Any, facts: Facts, trained: Trained) -> None:
            assert not torch.is_grad_enabled() and len(trained.accuracy_C()) == facts.num_classes
            network.counts[1] += 1
            network.counts[2] = network.counts[0]
            network.counts[0] = 0

    return Counting.name


def test_an_epochs_end_is_seen_once_even_if_the_job_is_killed_there(
    counting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_state, "CHECKPOINT_SECONDS", 0.0)
    session = digits_session(tmp_path, SUITE, strategies=(counting,))
    job = session.plan.jobs[session.plan.cells[0].jobs[0][-1]]

    class Killed(BaseException):
        pass

    def first_time(step: int, steps: int) -> None:
        if step in fatal:
            fatal.remove(step)
            raise Killed

    training = begin(session.context, job)
    per_epoch = train.steps_per_epoch(training.stage, training.recipe)
    fatal = [per_epoch - 1, per_epoch, per_epoch + 1, 2 * per_epoch]
    for _ in range(len(fatal)):
        with pytest.raises(Killed):
            run_job(session.context, job, first_time)
    run_job(session.context, job, first_time)
    (state, _), _ = checkpoint.newest(session.context.store.state(job.key), job.key)
    assert state["counts"].tolist() == [0, 2, per_epoch]
