"""Training on stored features: the same hooks on one-pixel images, views in turns, independent stages."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from backbones.errors import BackboneError
from backbones.frozen import frozen_network
from backbones.pinned import installed
from benchmarks.cli import main
from benchmarks.planning.plan import Setting, make_plan
from benchmarks.records.storage import read_all
from benchmarks.running.context import RunContext
from benchmarks.running.job import run_job
from benchmarks.running.scoring import done_record
from benchmarks.training.batching.feature_batches import AugmentedFeatures, FeatureBatcher
from benchmarks.training.stored import extractor
from tests.making import BACKBONE, digits_session, digits_suite

VIEWS, FEATURES = 2, 24
STRATEGIES = ("none", "oversample", "loss-weights", "mixup", "crt", "ldam", "feature-smote", "ride", "tau-norm")


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Setting, RunContext]:
    """Return the digits with random projections of their pixels as features, and a setting that trains on them."""
    session = digits_session(tmp_path_factory.mktemp("out"))
    loaded = session.context.loaded
    pixels_ND = loaded.images_NHWC.reshape(len(loaded.images_NHWC), -1).astype(np.float32) / 255
    projection_DF = np.random.default_rng(0).normal(size=(pixels_ND.shape[1], FEATURES)).astype(np.float32)
    features_NF = pixels_ND @ projection_DF / np.sqrt(pixels_ND.shape[1])
    recipe = {"trains": "classifier", "learning_rate": 0.5, "epochs": {"head": 12, "tail": 12, "all": 12}}
    suite = digits_suite(recipe)
    context = dataclasses.replace(
        session.context,
        suite=suite,
        features={BACKBONE: np.stack([features_NF, features_NF + 0.01]).astype(np.float32)},
    )
    precision = {name: {"layout": "contiguous", "dtype": "float32"} for name in (BACKBONE, f"{BACKBONE}:mlp1")}
    return Setting(loaded.fingerprint, suite, context.stages, precision, {}), context


def test_every_kind_of_strategy_trains_and_is_better_than_chance(frozen: tuple[Setting, RunContext]) -> None:
    setting, context = frozen
    plan = make_plan(setting, [BACKBONE], STRATEGIES, [0])
    assert not plan.left_out
    for job in plan.jobs.values():
        run_job(context, job)
    for cell in plan.cells:
        record = done_record(context, plan, cell)
        head, _ = record.stages  # the tail's few rows make two or three steps
        assert sum(head.top1_hits) / head.rows > 0.3, cell.strategy


def test_what_changes_pixels_is_left_out_with_a_line(frozen: tuple[Setting, RunContext]) -> None:
    plan = make_plan(frozen[0], [BACKBONE], ["none", "cutmix", "cmo+crt"], [0])
    assert [cell.strategy for cell in plan.cells] == ["none"]
    assert [line.split(" is left out: ")[0] for line in plan.left_out] == ["cutmix", "cmo+crt"]
    assert all("trains on stored features" in line for line in plan.left_out)


def test_the_second_stage_needs_nothing_of_the_first(frozen: tuple[Setting, RunContext]) -> None:
    plan = make_plan(frozen[0], [BACKBONE], ["none", "oversample"], [0])
    assert len(plan.jobs) == 4
    assert all(job.parent is None for job in plan.jobs.values())


def test_training_draws_views_by_key_and_testing_yields_all() -> None:
    features_VNF = np.arange(3 * 50 * 2, dtype=np.float32).reshape(3, 50, 2)
    batches = FeatureBatcher(features_VNF, torch.device("cpu"))
    rows_B, positions_B = np.arange(50), np.arange(50)
    one, again = (batches.training(rows_B, positions_B, 8, 0, 1, 2) for _ in range(2))
    assert torch.equal(one, again)
    assert not torch.equal(one, batches.training(rows_B, positions_B, 8, 0, 1, 3))
    view_B = (one[:, 0, 0, 0].numpy() - features_VNF[0, :, 0]) / 100
    assert set(view_B.tolist()) == {0.0, 1.0, 2.0}
    assert [view[7, 0, 0, 0].item() for view in batches.evaluations(rows_B)] == [14.0, 114.0, 214.0]


def test_a_share_of_the_draws_of_minority_rows_are_augmented_views() -> None:
    rows_M = np.array([3, 10, 49])
    augmented_KMF = 1000.0 + np.arange(4 * 3 * 2, dtype=np.float32).reshape(4, 3, 2)
    features_VNF = np.zeros((2, 50, 2), np.float32)
    whole = FeatureBatcher(features_VNF, torch.device("cpu"), augmented=AugmentedFeatures(augmented_KMF, rows_M, 0.5))
    rows_B = np.tile(np.arange(50), 40)  # each row 40 times
    drawn_BF = whole.training(rows_B, np.arange(len(rows_B)), 8, 0, 1, 2)[:, :, 0, 0].numpy()
    is_augmented_B = drawn_BF[:, 0] >= 1000
    assert set(rows_B[is_augmented_B]) == set(rows_M)
    for m, row in enumerate(rows_M):
        values = drawn_BF[is_augmented_B & (rows_B == row)]
        assert {tuple(value) for value in values} == {tuple(view) for view in augmented_KMF[:, m]}, "all its views"
        assert 10 <= len(values) <= 30, "half of 40 draws"
    part = slice(700, 900)  # the same draws in another batch
    again_BF = whole.training(rows_B[part], np.arange(len(rows_B))[part], 8, 0, 1, 2)[:, :, 0, 0].numpy()
    np.testing.assert_array_equal(again_BF, drawn_BF[part])
    assert all(view_BF.max() == 0 for view_BF in whole.evaluations(rows_B)), "tests see no augmentation"


def test_the_classifier_starts_from_the_seed_and_a_pooling_one_is_refused() -> None:
    one, again, other = (frozen_network("resnet10t:mlp1", 16, 3, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)
    assert all(name.startswith("classifier.") for name in one)
    with pytest.raises(BackboneError, match="needs feature maps"):
        frozen_network("resnet10t:attention", 16, 3, 0)


def test_a_killed_training_goes_on_with_the_same_bits(frozen: tuple[Setting, RunContext], tmp_path: Path) -> None:
    setting, context = frozen
    plan = make_plan(setting, [f"{BACKBONE}:mlp1"], ["mixup"], [0])
    job = next(iter(plan.jobs.values()))
    whole, cut = (
        dataclasses.replace(context, store=type(context.store)(tmp_path / name), checkpoint_seconds=0.0)
        for name in ("whole", "cut")
    )
    run_job(whole, job)

    def stop(step: int, steps: int) -> None:
        if step == steps // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_job(cut, job, stop)
    run_job(cut, job)
    for name in ("test", "validation"):
        np.testing.assert_array_equal(whole.store.predictions(job.key)[name], cut.store.predictions(job.key)[name])


@pytest.mark.skipif(installed("tf_efficientnet_lite0") is None, reason="the extra `weights` is not installed")
def test_a_frozen_run_computes_features_once_and_its_record_names_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BENCHMARKS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(extractor, "NEEDED", ("no_such_library",))  # torch computes few images sooner than it exports
    asked = ["run", "--suite", "digits", "--trains", "classifier", "--image-size", "32", "--seeds", "1"]
    asked += ["--set", "recipe.epochs.head=1", "--set", "recipe.epochs.tail=1", "--out", str(tmp_path / "out")]
    assert main(["plan", *asked[1:], "--backbone", "efficientnet_lite0"]) == 0
    assert not (tmp_path / "cache" / "features").exists(), "a plan needs no features"
    assert main([*asked, "--backbone", "efficientnet_lite0", "--strategy", "none"]) == 0
    assert "(package, sha256 57934424" in capsys.readouterr().out
    stored = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "features").rglob("features.bin")}
    assert len(stored) == 1
    assert main([*asked, "--backbone", "efficientnet_lite0,efficientnet_lite0:mlp1", "--strategy", "none"]) == 0
    assert {path: path.stat().st_mtime_ns for path in stored} == stored
    records, problems = read_all(tmp_path / "out" / "digits-frozen-32px-epochs.head=1-epochs.tail=1" / "records")
    assert not problems
    assert {record.backbone for record in records} == {"efficientnet_lite0", "efficientnet_lite0:mlp1"}
    for record in records:
        assert record.setup.recipe["weights"]["source"] == "package"
        assert record.setup.recipe["weights"]["sha256"].startswith("57934424")
