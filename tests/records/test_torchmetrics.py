"""Every metric that is written here, against torchmetrics, which takes rows where records have counts."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
import torchmetrics.functional.classification as reference
from torchmetrics.functional import mean_squared_error
from torchmetrics.functional.text import perplexity

from benchmarks.records import confusions, metrics
from benchmarks.records.hits import hits
from benchmarks.records.record import Record
from strategies.posthoc.calibration import temperature
from tests.leaderboard import make

TEST = (90, 40, 25, 12, 8, 5)
TRAIN = (300, 150, 60, 40, 12, 5)
CLASSES = len(TEST)


@dataclasses.dataclass(frozen=True)
class Case:
    """A record's metrics, and the probabilities [N, C] and labels [N] that they are of."""

    record: Record
    values: dict[str, float]
    p_NC: torch.Tensor
    y_N: torch.Tensor

    def per_class(self, name: str, **options: object) -> torch.Tensor:
        """Return a metric of torchmetrics for each class."""
        function = getattr(reference, f"multiclass_{name}")
        return function(self.p_NC, self.y_N, CLASSES, average=None, **options)


@pytest.fixture(params=range(3))
def case(request: pytest.FixtureRequest) -> Case:
    """Return predictions that are better for the classes with many rows."""
    draws = np.random.default_rng(request.param)
    labels_N = np.repeat(np.arange(CLASSES), TEST)
    logits_NC = draws.normal(size=(labels_N.size, CLASSES)) * 2
    logits_NC[np.arange(labels_N.size), labels_N] += np.linspace(3, 0.5, CLASSES)[labels_N]
    right_N = hits(logits_NC, labels_N, 1)
    scale = temperature(logits_NC, labels_N)
    stage = dataclasses.replace(
        make.stage_result(train_n=TRAIN, test_n=TEST, hits_N=right_N),
        metrics=metrics.from_probabilities(logits_NC, labels_N, scale),
    )
    taken = confusions.count(logits_NC, labels_N, right_N)
    record = make.record((stage,), extra={"confusions": {"all": taken}})
    p_NC = torch.from_numpy(logits_NC).softmax(dim=1)
    return Case(record, metrics.of_stage(record, 0), p_NC, torch.from_numpy(labels_N))


def test_accuracies(case: Case) -> None:
    accuracy_C = case.per_class("accuracy")
    train_C = torch.tensor(TRAIN)
    expected = {
        "overall": reference.multiclass_accuracy(case.p_NC, case.y_N, CLASSES, average="micro"),
        "class-mean": reference.multiclass_accuracy(case.p_NC, case.y_N, CLASSES, average="macro"),
        "many": accuracy_C[train_C > 100].mean(),
        "medium": accuracy_C[(train_C >= 20) & (train_C <= 100)].mean(),
        "few": accuracy_C[train_C < 20].mean(),
        "worst": accuracy_C.min(),
        "zeros": (accuracy_C == 0).sum(),
        "g-mean": accuracy_C.double().prod() ** (1 / CLASSES),
    }
    assert {name: case.values[name] for name in expected} == pytest.approx(
        {name: float(value) for name, value in expected.items()}, abs=1e-6
    )


def test_scores_from_confusions(case: Case) -> None:
    assert case.values["macro-f1"] == pytest.approx(float(case.per_class("f1_score").mean()), abs=1e-6)
    mcc = reference.multiclass_matthews_corrcoef(case.p_NC, case.y_N, CLASSES)
    assert case.values["mcc"] == pytest.approx(float(mcc), abs=1e-6)
    found_C = confusions.precision(confusions.predictions(case.record, 0))
    assert found_C == pytest.approx(case.per_class("precision").numpy(), abs=1e-6)


def test_probabilities_and_what_calibration_alone_gives(case: Case) -> None:
    scaled_NC = (case.p_NC.log() / case.values["temperature"]).softmax(dim=1)
    one_hot_NC = torch.nn.functional.one_hot(case.y_N, CLASSES).double()

    def nll(p_NC: torch.Tensor) -> float:
        return math.log(float(perplexity(p_NC.log()[None], case.y_N[None])))

    def ece(p_NC: torch.Tensor) -> float:
        return float(reference.multiclass_calibration_error(p_NC, case.y_N, CLASSES, n_bins=15, norm="l1"))

    own = [
        reference.binary_calibration_error(case.p_NC[:, c].contiguous(), (case.y_N == c).long(), n_bins=15, norm="l1")
        for c in range(CLASSES)
    ]
    expected = {
        "nll": nll(case.p_NC),
        "calibrated-nll": nll(scaled_NC),
        "brier": CLASSES * float(mean_squared_error(case.p_NC.contiguous(), one_hot_NC)),
        "ece": ece(case.p_NC),
        "calibrated-ece": ece(scaled_NC),
        "class-ece": float(torch.stack(own).mean()),
        "auroc": float(case.per_class("auroc").mean()),
        "average-precision": float(case.per_class("average_precision").mean()),
    }
    assert {name: case.values[name] for name in expected} == pytest.approx(expected, abs=1e-5)


def test_no_metric_is_left_out() -> None:
    """A new metric belongs into one of these tests; the temperature is a parameter of others."""
    tested = {
        "overall", "class-mean", "many", "medium", "few", "worst", "zeros", "g-mean", "macro-f1", "mcc", "nll",
        "brier", "ece", "class-ece", "auroc", "average-precision", "temperature", "calibrated-nll", "calibrated-ece",
    }  # fmt: skip
    assert set(metrics.names()) == tested
