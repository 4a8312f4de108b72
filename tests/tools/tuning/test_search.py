"""A search carried out: what it chooses, and that no test row has a say in it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from benchmarks.planning.stages import make_stages
from benchmarks.progress.events import CellDone, Event
from benchmarks.progress.reporter import Reporters
from benchmarks.records.ranking import stage_means
from benchmarks.records.record import Record
from benchmarks.running.local import execute
from benchmarks.running.session import Session
from benchmarks.tools.tuning.on_validation import on_validation
from benchmarks.tools.tuning.points import Trial
from benchmarks.tools.tuning.search import (
    OnValidation,
    Search,
    Tried,
    folder,
    records_of,
    searches,
    with_cells,
    with_trials,
)
from tests.leaderboard import make
from tests.making import BACKBONE, digits_session, digits_suite

TRIALS = 3


def opened(out: Path) -> Session:
    epochs = {"head": 1, "tail": 1, "all": 1}
    suite = digits_suite({"epochs": epochs, "learning_rate": 0.05, "weight_decay": 5e-4})
    return digits_session(out, suite, strategies=("none", "logit-adjust-posthoc"))


def poisoned(session: Session) -> Session:
    """Return the session with another label on every test row."""
    loaded = session.context.loaded
    labels_N = np.where(loaded.train_N, loaded.labels_N, (loaded.labels_N + 1) % len(loaded.class_names))
    loaded = dataclasses.replace(loaded, labels_N=labels_N)
    stages = make_stages(loaded, session.context.suite)
    return dataclasses.replace(
        session,
        context=dataclasses.replace(session.context, loaded=loaded, stages=stages),
        setting=dataclasses.replace(session.setting, stages=stages),
    )


def searched(session: Session) -> tuple[Session, list[Search]]:
    trials_session, trials = with_trials(session, TRIALS, 1)
    outcome = execute(trials_session.plan, trials_session.context, folder(trials_session), Reporters())
    assert not outcome.failed
    return trials_session, searches(trials_session, trials)


@pytest.fixture(scope="module")
def searches_with_true_and_poisoned_labels(
    tmp_path_factory: pytest.TempPathFactory,
) -> list[tuple[Session, list[Search]]]:
    sessions = [opened(tmp_path_factory.mktemp(name)) for name in ("true", "poisoned")]
    return [searched(sessions[0]), searched(poisoned(sessions[1]))]


def test_the_choice_is_the_same_whatever_the_test_labels_are(
    searches_with_true_and_poisoned_labels: list[tuple[Session, list[Search]]],
) -> None:
    (true, found), (wrong, blind) = searches_with_true_and_poisoned_labels
    assert found == blind
    trial = found[0].tried[0].trial
    right, spoilt = (records_of(session, BACKBONE, trial)[0] for session in (true, wrong))
    assert stage_means(right) != stage_means(spoilt)  # the labels do matter elsewhere


def test_all_strategies_have_as_many_trials_and_share_trainings(
    searches_with_true_and_poisoned_labels: list[tuple[Session, list[Search]]],
) -> None:
    session, found = searches_with_true_and_poisoned_labels[0]
    assert [(one.of, len(one.tried)) for one in found] == [("none", TRIALS), ("logit-adjust-posthoc", TRIALS)]
    assert len(session.plan.jobs) == 2 * TRIALS  # two stages; what acts after training trains nothing
    default, *others = found[0].tried
    assert default.trial.suite == session.context.suite
    assert all(one.trial.suite != session.context.suite for one in others)


def test_a_trial_is_trained_with_its_own_recipe(
    searches_with_true_and_poisoned_labels: list[tuple[Session, list[Search]]],
) -> None:
    session, (search, _) = searches_with_true_and_poisoned_labels[0]
    for one in search.tried:
        (record,) = records_of(session, BACKBONE, one.trial)
        assert record.setup.recipe["learning_rate"] == one.trial.suite.recipe.learning_rate
        assert record.suite == one.trial.suite.name
    losses = {session.context.store.result(cell.jobs[0][-1]).losses for cell in session.plan.cells}  # type: ignore[union-attr]
    assert len(losses) == TRIALS


def test_what_is_trained_already_is_not_trained_again(
    searches_with_true_and_poisoned_labels: list[tuple[Session, list[Search]]],
) -> None:
    session, found = searches_with_true_and_poisoned_labels[0]
    longer, _ = with_trials(opened(session.context.store.work.parent), TRIALS + 2, 1)
    stored = execute(longer.plan, longer.context, folder(longer), Reporters(), only=longer.plan.cells[: 2 * TRIALS])
    assert (stored.stored, stored.done) == (2 * TRIALS, 0)
    best = found[0].chosen
    assert best is not None
    chosen = with_cells(session, [(best.trial, BACKBONE)], 2)
    assert [cell.seed for cell in chosen.plan.cells] == [0, 1]
    assert execute(chosen.plan, chosen.context, folder(chosen), Reporters()).stored == 1


def tried(number: int, head: float = 0.0, tail: float = 0.0, error: str = "") -> Tried:
    trial = Trial(number, "none", digits_suite(), {})
    return Tried(trial, {} if error else {"head": head, "tail": tail}, (), error)


def test_every_stage_counts_once_and_the_earlier_of_equals_is_chosen() -> None:
    few, even, more = tried(0, 0.9, 0.1), tried(1, 0.6, 0.5), tried(2, 0.5, 0.6)
    search = Search(BACKBONE, "none", (few, even, more, tried(3, error="it failed")))
    assert search.chosen is not None and search.chosen.trial.number == 1
    assert Search(BACKBONE, "none", (tried(0, error="it failed"),)).chosen is None


def with_validation(hits: tuple[int, ...]) -> Record:
    stage = make.stage_result("all", train_n=(300, 50, 5), test_n=(30, 8, 2))
    return make.record((dataclasses.replace(stage, validation_n=(10, 4, 0), validation_top1_hits=hits),))


def test_a_record_as_validation_saw_it_has_nothing_of_the_test_rows() -> None:
    seen = on_validation(with_validation((5, 4, 0)))
    assert stage_means(seen) == {"all": (9 / 14, 0.75)}  # a class without validation rows does not count
    assert seen == on_validation(
        dataclasses.replace(
            with_validation((5, 4, 0)), stages=(dataclasses.replace(seen.stages[0], metrics={"nll": 1.0}),)
        )
    )


def test_who_watches_a_search_sees_validation_alone() -> None:
    told: list[Event] = []

    class Listening:
        def tell(self, event: Event) -> None:
            told.append(event)

    cell = opened  # any object will do
    OnValidation(Listening()).tell(CellDone(cell, with_validation((5, 4, 0))))  # type: ignore[arg-type]
    (event,) = told
    assert isinstance(event, CellDone) and event.record.stages[0].test_n == (10, 4, 0)
