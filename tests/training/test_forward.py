"""What a network gives, as the hooks see it: a classifier of several outputs, stored features, a second batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from benchmarks.planning.store import Store
from benchmarks.progress.reporter import Reporters
from benchmarks.records.storage import read, record_path
from benchmarks.running import job as job_module
from benchmarks.running import job_state
from benchmarks.running.job import begin, run_job
from benchmarks.running.local import execute
from benchmarks.running.session import Session
from benchmarks.training import checkpoint
from benchmarks.training import loop as train
from benchmarks.training.forward import forward
from benchmarks.training.predict import outputs_of
from strategies import registry
from strategies.base import Batch, Facts, Outputs, Phase, Progress, Step, Strategy, StrategyError, Trained
from strategies.schedules.common import retraining
from tests.making import digits_session, digits_suite, with_phase

SHORT = digits_suite({"epochs": {"head": 3, "tail": 1}})


class Twins(torch.nn.Module):
    """Two linear layers; their mean is the logits."""

    def __init__(self, in_features: int, classes: int, name: str) -> None:
        super().__init__()
        self.one, self.other, self.name = (*(torch.nn.Linear(in_features, classes) for _ in range(2)), name)

    def forward(self, features_BF: torch.Tensor) -> dict[str, torch.Tensor]:
        logits_BEC = torch.stack([self.one(features_BF), self.other(features_BF)], 1)
        return {self.name: logits_BEC.mean(1), "logits_BEC": logits_BEC}


@pytest.fixture
def own(own_registry: None) -> None:
    """Register strategies that use what the seam carries, for one test."""

    @registry.register
    @dataclasses.dataclass(frozen=True)
    class SeveralOutputs(Strategy):
        name: ClassVar[str] = "t-twins"
        called: str = "logits_BC"

        def classifier(self, classifier: Any, in_features: int, facts: Facts) -> Any:
            return Twins(in_features, facts.num_classes, self.called)

        def loss(self, outputs: Outputs, batch: Batch, step: Step) -> torch.Tensor:
            labels_BE = batch.labels_B[:, None].expand(-1, 2).flatten()
            return torch.nn.functional.cross_entropy(outputs.extra["logits_BEC"].flatten(0, 1), labels_BE)

        def predict(self, outputs: Outputs, facts: Facts) -> torch.Tensor:
            return outputs.extra["logits_BEC"][:, 1]

    @registry.register
    @dataclasses.dataclass(frozen=True)
    class OnFeatures(Strategy):
        """Retrains the classifier on the features of class 0, under the label 1."""

        name: ClassVar[str] = "t-features"

        def phases(self, epochs: int, facts: Facts) -> Sequence[Phase]:
            return retraining(0.4, epochs, "classifier", new_classifier=True, on="features")

        def resample_features(
            self, features_NF: np.ndarray, labels_N: np.ndarray, facts: Facts, seed: int
        ) -> tuple[np.ndarray, np.ndarray]:
            chosen_M = np.random.default_rng(seed).choice(np.flatnonzero(labels_N == 0), 2 * len(labels_N))
            return features_NF[chosen_M], np.ones(len(chosen_M), dtype=np.int32)

    @registry.register
    @dataclasses.dataclass(frozen=True)
    class LateClassifier(Strategy):
        """Another classifier from epoch 1 on, of fewer parameters than plain training's."""

        name: ClassVar[str] = "t-late"

        def phases(self, epochs: int, facts: Facts) -> Sequence[Phase]:
            return (Phase(0, 1, active=False), Phase(1, epochs))

        def classifier(self, classifier: Any, in_features: int, facts: Facts) -> Any:
            return torch.nn.Linear(in_features, facts.num_classes, bias=False)

    @registry.register
    @dataclasses.dataclass(frozen=True)
    class Rows(Strategy):
        name: ClassVar[str] = "t-rows"

        def resample_rows(self, labels_N: np.ndarray, facts: Facts, seed: int) -> np.ndarray:
            return np.repeat(np.random.default_rng(seed).permutation(len(labels_N))[:50], 3)

    @registry.register
    @dataclasses.dataclass(frozen=True)
    class Seconds(Strategy):
        name: ClassVar[str] = "t-second"

        def second_C(self, facts: Facts, progress: Progress) -> np.ndarray:
            return np.eye(facts.num_classes)[2]

        def mix(self, batch: Batch, facts: Facts, generator: torch.Generator) -> Batch:
            assert batch.second is not None and batch.second.labels_B.unique().tolist() == [2]
            assert len(batch.second.images_BCHW) == len(batch.images_BCHW)
            return batch.second


def first_job(session: Session) -> Any:
    return session.plan.jobs[session.plan.cells[0].jobs[0][-1]]


def test_a_classifier_may_give_more_than_logits_and_its_strategy_sees_them_in_training_and_scoring(
    own: None, tmp_path: Path
) -> None:
    session = digits_session(tmp_path, SHORT, strategies=("t-twins",))
    execute(session.plan, session.context, tmp_path, Reporters())
    cell = session.plan.cells[0]
    record = read(record_path(tmp_path, SHORT.name, cell.backbone, cell.strategy, 0))
    assert record.status == "done", record.error
    stored = session.context.store.predictions(cell.jobs[0][-1])
    assert set(stored) == {"test", "validation", "test.logits_BEC", "validation.logits_BEC"}
    np.testing.assert_allclose(stored["test.logits_BEC"].mean(1), stored["test"], rtol=1e-5, atol=1e-6)
    stage = session.context.stages[0]
    hits = stored["test.logits_BEC"][:, 1].argmax(1) == stage.labels_N[stage.data.test_rows]
    assert sum(record.stages[0].top1_hits) == hits.sum(), "scored by the second of the two, as `predict` says"
    state = begin(session.context, first_job(session)).network.state_dict()
    assert {"classifier.one.weight", "classifier.other.weight"} <= set(state)


def test_a_classifier_without_logits_is_named(own: None, tmp_path: Path) -> None:
    session = digits_session(tmp_path, SHORT, strategies=("t-twins(called=scores)",))
    with pytest.raises(StrategyError, match="gives scores, logits_BEC and no logits_BC"):
        run_job(session.context, first_job(session))


def test_after_training_gets_the_features_of_the_training_rows_when_it_asks(own: None, tmp_path: Path) -> None:
    session = digits_session(tmp_path, SHORT, strategies=("none",))
    training = begin(session.context, first_job(session))
    got: list[Trained] = []

    class Asks(Strategy):
        def after_training(self, network: Any, facts: Facts, trained: Trained) -> None:
            got.append(trained)

    training.strategy = Asks()
    train.run(training, lambda *_: None, lambda _: None)
    features_NF, labels_N = got[0].features()
    assert got[0].features()[0] is features_NF, "computed once"
    rows_N = training.stage.data.train_rows
    np.testing.assert_array_equal(labels_N, training.stage.labels_N[rows_N])
    assert all(module.training for module in training.network.modules()), "left in the mode that it was in"
    with torch.no_grad():
        expected = training.network.eval().features(training.batcher.evaluation(rows_N[:40]))
    np.testing.assert_allclose(features_NF[:40], expected.numpy(), rtol=1e-4, atol=1e-5)
    assert len(got[0].accuracy_C()) == training.facts.num_classes


def test_a_stretch_on_features_trains_the_classifier_alone_on_what_the_strategy_makes_of_them(
    own: None, tmp_path: Path
) -> None:
    session = digits_session(tmp_path, SHORT, strategies=("none", "t-features"), backbones=("test_resnet:mlp1",))
    plain, cell = session.plan.cells
    assert cell.jobs[0][0] == plain.jobs[0][0], "the representation is plain training's"
    job = session.plan.jobs[cell.jobs[0][-1]]
    assert (job.segment.phase.on, job.segment.phase.trains, job.start, job.end) == ("features", "classifier", 1, 3)
    results = [run_job(session.context, session.plan.jobs[key]) for key in cell.jobs[0]]
    assert results[1].epochs == 2 and results[1].images == 0, "no image was trained on"
    before, after = (checkpoint.load(session.context.store.state(key))[0] for key in cell.jobs[0])
    below = [name for name in before if name.startswith(("encoder", "pool"))]
    assert any("running_mean" in name for name in below)
    assert all(torch.equal(before[name], after[name]) for name in below)
    logits = session.context.store.predictions(job.key)["test"]
    labels = session.context.stages[0].labels_N[session.context.stages[0].data.test_rows]
    assert (logits[labels == 0].argmax(1) == 1).mean() > 0.9, "class 0's features were given the label 1"


def test_a_stretch_on_features_takes_as_many_draws_as_the_stage_has_samples(own: None, tmp_path: Path) -> None:
    session = digits_session(tmp_path, SHORT, strategies=("t-features",))
    for key in session.plan.cells[0].jobs[0][:-1]:
        run_job(session.context, session.plan.jobs[key])
    training = job_module.resume(session.context, first_job(session))[0]
    steps: list[int] = []
    train.run(training, lambda epoch, step: steps.append(epoch), lambda _: None)
    per_epoch = train.steps_per_epoch(training.stage, training.recipe)
    assert steps == [1] * per_epoch + [2] * per_epoch
    assert training.stored is not None and len(training.stored.labels_M) == 2 * len(training.stage.data.train_rows)
    orders = [train.epoch_rows(training, Progress(e, 3), (0, 1, e)) for e in (1, 2, 2)]
    assert all(len(order) == len(training.stage.data.train_rows) == len(set(order)) for order in orders)
    assert not np.array_equal(orders[0], orders[1]) and np.array_equal(orders[1], orders[2])


@pytest.mark.parametrize("text", ["t-features", "t-rows", "t-second"])
def test_such_a_job_killed_anywhere_and_run_again_gives_the_same_bits(
    own: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(job_state, "CHECKPOINT_SECONDS", 0.0)
    whole = digits_session(tmp_path / "whole", SHORT, strategies=(text,), backbones=("test_resnet:mlp1",))
    broken = dataclasses.replace(whole.context, store=Store(tmp_path / "broken"))
    keys = whole.plan.cells[0].jobs[0]
    for key in keys:
        run_job(whole.context, whole.plan.jobs[key])
    for key in keys[:-1]:
        run_job(broken, whole.plan.jobs[key])

    def die(step: int, steps: int) -> None:
        if step > 2 * steps // 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_job(broken, whole.plan.jobs[keys[-1]], die)
    run_job(broken, whole.plan.jobs[keys[-1]])
    one, other = (checkpoint.load(store.state(keys[-1]))[0] for store in (whole.context.store, broken.store))
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_classifier_of_other_parameters_goes_on_with_an_optimiser_of_its_own(own: None, tmp_path: Path) -> None:
    session = digits_session(tmp_path, SHORT, strategies=("t-late",), backbones=("test_resnet:mlp1",))
    results = [run_job(session.context, session.plan.jobs[key]) for key in session.plan.cells[0].jobs[0]]
    assert [result.epochs for result in results] == [1, 2]
    state = checkpoint.load(session.context.store.state(session.plan.cells[0].jobs[0][-1]))[0]
    assert {n for n in state if n.startswith("classifier")} == {"classifier.weight"}


def test_rows_resampled_are_all_that_is_drawn_and_steps_stay(own: None, tmp_path: Path) -> None:
    session = digits_session(tmp_path, SHORT, strategies=("t-rows",))
    training = begin(session.context, first_job(session))
    rows = training.stage.data.train_rows
    orders = [train.epoch_rows(training, Progress(e, 3), (0, 1, e)) for e in (0, 1)]
    assert all(len(order) == len(rows) for order in orders)
    assert len(set(orders[0])) == 50 and set(orders[0]) == set(orders[1]) <= set(rows)
    counts = np.unique(orders[0], return_counts=True)[1]
    assert counts.max() - counts.min() <= 3, "the pool of 150 is gone through before anything comes again"


@pytest.mark.parametrize("moves", [False, True])
def test_statistics_below_a_classifier_move_only_where_the_phase_says_so(tmp_path: Path, moves: bool) -> None:
    session = digits_session(tmp_path, SHORT)
    job = with_phase(first_job(session), trains="classifier", moving_statistics=moves)
    training = begin(session.context, job)
    before = {n: t.clone() for n, t in training.network.state_dict().items()}
    train.run(training, lambda *_: None, lambda _: None)
    changed = {n for n, t in training.network.state_dict().items() if not torch.equal(before[n], t)}
    statistics = {n for n in before if n.endswith(("running_mean", "running_var", "num_batches_tracked"))}
    assert changed - {"classifier.weight", "classifier.bias"} == (statistics if moves else set())


def test_flip_test_gives_the_mean_over_an_image_and_its_mirror_in_scores_features_and_extras(
    own: None, tmp_path: Path
) -> None:
    mirrored = digits_suite({"epochs": {"head": 1, "tail": 1}, "flip_test": True})
    session = digits_session(tmp_path, mirrored, strategies=("t-twins",))
    training = begin(session.context, first_job(session))
    rows_N, classes = training.stage.data.test_rows[:9], training.facts.num_classes
    training.batcher.flip_test = False
    plain = outputs_of(training.network, training.batcher, rows_N, training.choice, classes)
    images_BCHW = training.batcher.evaluation(rows_N)
    with torch.no_grad():
        mirror = forward(training.network.eval(), images_BCHW.flip(3), training.choice)
    training.batcher.flip_test = True
    both = outputs_of(training.network, training.batcher, rows_N, training.choice, classes)
    assert not torch.allclose(plain.logits_BC, mirror.logits_BC, atol=1e-3), "a mirror image is another image"
    torch.testing.assert_close(both.logits_BC, (plain.logits_BC + mirror.logits_BC) / 2)
    torch.testing.assert_close(both.features_BF, (plain.features_BF + mirror.features_BF) / 2)
    twins = "logits_BEC"
    torch.testing.assert_close(both.extra[twins], (plain.extra[twins] + mirror.extra[twins]) / 2)
