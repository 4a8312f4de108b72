"""What asks for validation accuracy after a change of the classifier alone runs the layers below it once."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from backbones.network import Network
from benchmarks.planning.plan import Job
from benchmarks.planning.stages import accuracy_C
from benchmarks.running.context import RunContext
from benchmarks.running.job import begin, run_job
from benchmarks.training.predict import RowFeatures, outputs_of
from tests.making import BACKBONE, digits_session, digits_suite

EPOCHS = {"epochs": {"head": 2, "tail": 1}, "flip_test": True}


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """Count the images of each forward pass below the classifier, by how many there were."""
    counted: Counter[int] = Counter()
    features = Network.features

    def counting(network: Network, images_BCHW: torch.Tensor, *names: Any) -> torch.Tensor:
        counted[len(images_BCHW)] += 1
        return features(network, images_BCHW, *names)

    monkeypatch.setattr(Network, "features", counting)
    return counted


def jobs_of(strategy: str, out: Path, *, frozen: bool) -> tuple[RunContext, list[Job]]:
    """Return the jobs of stage 1 on the digits, which are fine-tuned or have random features of two views."""
    recipe = {**EPOCHS, "trains": "classifier", "flip_test": False} if frozen else EPOCHS
    session = digits_session(out, digits_suite(recipe), strategies=(strategy,), force=True)
    context = session.context
    features_VNF = np.random.default_rng(0).normal(size=(2, len(context.loaded.images_NHWC), 8)).astype(np.float32)
    context = dataclasses.replace(context, features={BACKBONE: features_VNF})
    return context, [session.plan.jobs[key] for key in session.plan.cells[0].jobs[0]]


@pytest.mark.parametrize("frozen", [False, True], ids=["fine-tuned", "frozen"])
def test_a_choice_on_validation_passes_the_layers_below_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passed: Counter[int], frozen: bool
) -> None:
    context, jobs = jobs_of("tau-norm", tmp_path, frozen=frozen)
    for job in jobs[:-1]:
        run_job(context, job)
    data = context.stage(1).data
    monkeypatch.setattr("benchmarks.training.predict.CPU_BATCH", 10_000)  # all rows in one batch
    asked = []

    def accuracy(*given: Any) -> tuple[float, ...]:
        asked.append(given)
        return accuracy_C(*given)

    monkeypatch.setattr("benchmarks.training.features.accuracy_C", accuracy)
    passed.clear()
    run_job(context, jobs[-1])
    assert jobs[-1].segment.phase.trains == "classifier"
    views = 2
    assert passed[len(data.validation_rows)] == views
    assert passed[len(data.test_rows)] == views
    assert len(asked) == 11, "one accuracy for each tau"


def test_stored_features_give_the_bits_of_a_whole_forward_pass(tmp_path: Path) -> None:
    context, jobs = jobs_of("none", tmp_path, frozen=False)
    training = begin(context, jobs[0])
    rows_N, classes = training.stage.data.validation_rows, training.facts.num_classes
    for choice in (training.choice, dataclasses.replace(training.choice, dtype="bfloat16")):
        given = (training.network, training.batcher, rows_N, choice)
        stored, whole = RowFeatures.of(*given), outputs_of(*given, classes, features=False)
        outputs = stored.outputs(training.network, choice, classes)
        assert torch.equal(outputs.logits_BC, whole.logits_BC)
        assert outputs.features_BF.shape == whole.features_BF.shape == (len(rows_N), 0)
        with torch.no_grad():
            training.network.classifier.weight.mul_(1.5)
        assert not torch.equal(stored.outputs(training.network, choice, classes).logits_BC, whole.logits_BC)
