"""Augmented views of minority rows: of these rows alone, functions of row and view, computed once and trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.running.frozen_features import views_to_compute, with_features
from benchmarks.running.job import run_job
from benchmarks.running.session import Session
from benchmarks.training.stored import augmented as module
from benchmarks.training.stored import extract
from benchmarks.training.stored.augmented import AugmentedViews
from strategies.base import Pipeline
from tests.making import digits_session, digits_suite

STRENGTH_N = np.array([0.0, 1.0, 0.0, 0.4, 1.0, 0.0])
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)


def test_views_differ_by_row_and_number_and_not_by_batch() -> None:
    views = AugmentedViews(STRENGTH_N, 16)
    assert views.rows_M.tolist() == [1, 3, 4]
    rows_B = views.rows_M
    made = [views.view(number, IMAGES[rows_B], rows_B) for number in range(len(views))]
    assert len({image.tobytes() for view in made for image in view}) == len(views) * len(rows_B)
    np.testing.assert_array_equal(views.view(2, IMAGES[rows_B[::-1]], rows_B[::-1]), made[2][::-1])
    unmirrored = AugmentedViews(STRENGTH_N, 16, mirror=False)
    for number, view in enumerate(made):
        expected = unmirrored.view(number, IMAGES[rows_B], rows_B)
        np.testing.assert_array_equal(view, expected[:, :, ::-1] if number % 2 else expected)


def test_other_rows_strengths_or_versions_are_other_views(monkeypatch: pytest.MonkeyPatch) -> None:
    one = AugmentedViews(STRENGTH_N, 16).identity()
    assert one == AugmentedViews(STRENGTH_N.copy(), 16).identity()
    others = [STRENGTH_N[::-1].copy(), STRENGTH_N * 0.9]
    assert all(AugmentedViews(strength_N, 16).identity() != one for strength_N in others)
    monkeypatch.setattr(module.importlib.metadata, "version", lambda name: "0")
    assert AugmentedViews(STRENGTH_N, 16).identity() != one


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """Return the digits on frozen features of random weights, with what minority-augment asks for computed."""
    recipe = {"trains": "classifier", "learning_rate": 0.5, "epochs": {"head": 1, "tail": 1, "all": 1}}
    strategies = ("none", "minority-augment", "oversample+minority-augment", "minority-augment(strength=0.5)")
    opened = digits_session(tmp_path_factory.mktemp("out"), digits_suite(recipe), strategies=strategies, force=True)
    with pytest.MonkeyPatch.context() as patch:  # torch computes them: an export takes seconds
        patch.setattr("benchmarks.training.stored.extractor.NEEDED", ("no_such_library",))
        return with_features(opened, lambda line: None, lambda *progress: None)


def test_each_stage_stores_views_of_its_minority_rows_alone(session: Session) -> None:
    context = session.context
    assert not session.plan.left_out
    for number in (1, 2):
        weaker, stronger = sorted(max(asked.strength_C) for _, stage, asked in context.augmented if stage == number)
        assert weaker == stronger / 2, "two strategies ask for the same"
    for (backbone, number, pipeline), stored in context.augmented.items():
        stage = context.stage(number)
        assert stored is not None
        strength_N = np.asarray(pipeline.strength_C)[stage.labels_N[stage.data.train_rows]]
        np.testing.assert_array_equal(stored.rows_M, np.sort(stage.data.train_rows[strength_N > 0]))
        assert stored.features_KMF.shape == (4, len(stored.rows_M), context.features[backbone].shape[-1])
        plain_MF = context.features[backbone][0, stored.rows_M]
        unlike_M = np.abs(stored.features_KMF[0] - plain_MF).max(axis=1) > 1e-3
        assert unlike_M.mean() > 0.5, "they are augmented, but for weak draws"


def test_they_are_computed_once_and_the_strategy_trains_on_them(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert views_to_compute(session) == {}
    monkeypatch.setattr(extract, "make_extractor", None)  # calling it fails
    again = with_features(session, lambda line: None, lambda *progress: None)
    for key, stored in session.context.augmented.items():
        found = again.context.augmented[key]
        assert stored is not None and found is not None
        np.testing.assert_array_equal(found.features_KMF, stored.features_KMF)
    jobs = [job for job in again.plan.jobs.values() if job.strategy in ("none", "minority-augment")]
    assert len(jobs) == 4
    losses = {(job.stage, job.strategy): run_job(again.context, job).losses for job in jobs}
    for stage in (1, 2):
        assert losses[stage, "none"] != losses[stage, "minority-augment"]


def test_a_plan_says_how_many_views_it_has_to_compute(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHMARKS_CACHE", str(tmp_path))  # nothing is stored there
    ((backbone, features_VNF),) = session.context.features.items()
    augmented = sum(4 * len(stored.rows_M) for stored in session.context.augmented.values() if stored)
    assert views_to_compute(session) == {backbone: features_VNF.shape[0] * features_VNF.shape[1] + augmented}


def test_a_pipeline_for_no_row_needs_no_features(tmp_path: Path, session: Session) -> None:
    stage = session.context.stages[0]
    views = AugmentedViews.of(stage, Pipeline((0.0,) * stage.facts.num_classes), 16, mirror=True)
    assert not len(views.rows_M)
