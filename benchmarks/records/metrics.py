"""Metrics by name: one number that says how good a stage's predictions are.

To add a metric, add one decorated function here (or in a plugin, before anything is scored):

    @metric("best", "best class")
    def _best(counts: Counts) -> float:
        return float(counts.accuracy_T.max()) if counts.tested.size else math.nan

    @metric("confidence", "confidence", needs="probabilities", higher_is_better=None)
    def _confidence(probabilities_NC: np.ndarray, labels_N: np.ndarray) -> float:
        return float(probabilities_NC.max(axis=1).mean())

`needs` decides when a metric is computed. Hits and confusions: when a record is read, from its stored counts, so
that older records have the metric too. Probabilities, and probabilities "calibrated" by a temperature fitted on
validation rows: once, when a cell is scored; the record stores the value (`StageResult.metrics`).

Shape suffixes: N rows, C classes, T classes with test rows. A metric without rows is NaN, never 0.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import numpy as np

from backbones.errors import nearest
from benchmarks.records import confusions, probabilistic
from benchmarks.records.record import Record
from benchmarks.support.errors import UserError

MANY, FEW = 100, 20  # more than 100 / 20..100 / fewer than 20 training rows: Liu et al., Open Long-Tailed Recognition

Needs = Literal["hits", "confusions", "probabilities", "calibrated"]
_Function = TypeVar("_Function", bound=Callable[..., float])


@dataclasses.dataclass(frozen=True, eq=False)
class Counts:
    """Hits, test rows and training rows per class of one stage, each [C]; hits may be means and so fractions."""

    hits_C: np.ndarray
    test_C: np.ndarray
    train_C: np.ndarray

    @functools.cached_property
    def tested(self) -> np.ndarray:
        """The classes with test rows, int64 [T] positions."""
        return np.flatnonzero(np.asarray(self.test_C) > 0)

    @functools.cached_property
    def hits_T(self) -> np.ndarray:
        """Hits of the classes with test rows."""
        return np.asarray(self.hits_C)[self.tested]

    @functools.cached_property
    def test_T(self) -> np.ndarray:
        """Test rows of the classes that have some."""
        return np.asarray(self.test_C)[self.tested]

    @functools.cached_property
    def train_T(self) -> np.ndarray:
        """Training rows of the classes with test rows."""
        return np.asarray(self.train_C)[self.tested]

    @functools.cached_property
    def accuracy_T(self) -> np.ndarray:
        """Accuracy of the classes with test rows, float64 in [0, 1]."""
        return np.asarray(self.hits_T / self.test_T, dtype=np.float64)


@dataclasses.dataclass(frozen=True)
class Metric:
    """A registered metric; `metric` describes the fields."""

    name: str
    header: str
    function: Callable[..., float]
    needs: Needs = "hits"
    higher_is_better: bool | None = True
    digits: int = 3


METRICS: dict[str, Metric] = {}  # in the order of registration


def metric(
    name: str, header: str, *, needs: Needs = "hits", higher_is_better: bool | None = True, digits: int = 3
) -> Callable[[_Function], _Function]:
    """Decorator for the function that computes a metric; it is returned unchanged.

    With `needs="hits"` the function takes a stage's `Counts`; with "confusions" the predictions int64 [C, C] (first
    axis: labels) and the test rows [C]; with "probabilities" it takes float64 [N, C] (rows sum to 1) and int64 labels
    [N] of the test rows, N at least 1; with "calibrated" it takes the same after temperature scaling, and the
    temperature. `header`: the short text above its column, in which the value is written with `digits` decimals.
    `higher_is_better`: None where neither is better. Raises ValueError for a name that is taken.
    """

    def register(function: _Function) -> _Function:
        if name in METRICS:
            raise ValueError(f"the metric {name!r} is registered already; choose another name")
        METRICS[name] = Metric(name, header, function, needs, higher_is_better, digits)
        return function

    return register


def get(name: str) -> Metric:
    """Return the metric of that name; UserError with the nearest names if there is none."""
    if name not in METRICS:
        known = ", ".join(METRICS)
        raise UserError(f"There is no metric {name!r}{nearest(name, METRICS)}; there are {known}.")
    return METRICS[name]


def names(needs: Needs | None = None) -> list[str]:
    """Return the names of the metrics, in the order of registration; with `needs`, only those computed from that."""
    return [entry.name for entry in METRICS.values() if needs in (None, entry.needs)]


def from_hits(hits_C: np.ndarray, test_C: np.ndarray, train_C: np.ndarray) -> dict[str, float]:
    """Return every metric that needs hits; the arguments are those of `Counts`."""
    counts = Counts(hits_C, test_C, train_C)
    return {name: METRICS[name].function(counts) for name in names("hits")}


def from_probabilities(
    logits_NC: np.ndarray, labels_N: np.ndarray, temperature: float | None = None
) -> dict[str, float]:
    """Return every metric that needs probabilities, from the softmax of the logits, by name.

    With a `temperature` T also what needs calibrated probabilities, from softmax(z / T). Values that
    are not finite are left out, and all of them if a logit is not finite.
    """
    scales: list[tuple[Needs, tuple[float, ...]]] = [("probabilities", ())]
    if temperature is not None:
        scales.append(("calibrated", (temperature,)))
    found: dict[str, float] = {}
    for needs, scale in scales:
        probabilities_NC = probabilistic.softmax(logits_NC, *scale)
        if len(labels_N) and probabilities_NC is not None:
            found |= {name: float(METRICS[name].function(probabilities_NC, labels_N, *scale)) for name in names(needs)}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def of_stage(record: Record, stage: int) -> dict[str, float]:
    """Return every metric that a stage (a position) of a record has, by name; NaN without rows behind it."""
    result = record.stages[stage]
    found = from_hits(np.array(result.top1_hits), np.array(result.test_n), np.array(result.train_n))
    return found | _from_confusions(record, stage, names("confusions")) | result.metrics


def value(record: Record, stage: int, name: str) -> float:
    """Return one metric of `of_stage` that does not come from hits; NaN if the record does not have it."""
    if get(name).needs == "confusions":
        return _from_confusions(record, stage, [name]).get(name, math.nan)
    return record.stages[stage].metrics.get(name, math.nan)


def _from_confusions(record: Record, stage: int, wanted: Sequence[str]) -> dict[str, float]:
    predicted_CC, test_C = confusions.predictions(record, stage), np.array(record.stages[stage].test_n)
    return {} if predicted_CC is None else {name: METRICS[name].function(predicted_CC, test_C) for name in wanted}


def worst_class(hits_C: np.ndarray, test_C: np.ndarray) -> int:
    """Return the position of the class with the lowest accuracy (the first of several), -1 without test rows."""
    counts = Counts(hits_C, test_C, test_C)
    return int(counts.tested[counts.accuracy_T.argmin()]) if counts.tested.size else -1


def _mean(values: np.ndarray) -> float:
    return float(values.sum() / values.size) if values.size else math.nan


@metric("overall", "top-1")
def _overall(counts: Counts) -> float:
    """Accuracy over all rows."""
    return float(counts.hits_T.sum() / counts.test_T.sum()) if counts.tested.size else math.nan


@metric("class-mean", "class mean")
def _class_mean(counts: Counts) -> float:
    """Mean accuracy over the classes with test rows, each counting once (balanced accuracy)."""
    return _mean(counts.accuracy_T)


@metric("many", "many")
def _many(counts: Counts) -> float:
    """Class mean of the classes with more than 100 training rows."""
    return _mean(counts.accuracy_T[counts.train_T > MANY])


@metric("medium", "medium")
def _medium(counts: Counts) -> float:
    """Class mean of the classes with 20 to 100 training rows."""
    return _mean(counts.accuracy_T[(counts.train_T >= FEW) & (counts.train_T <= MANY)])


@metric("few", "few")
def _few(counts: Counts) -> float:
    """Class mean of the classes with fewer than 20 training rows."""
    return _mean(counts.accuracy_T[counts.train_T < FEW])


@metric("worst", "worst class")
def _worst(counts: Counts) -> float:
    """Lowest accuracy of a class."""
    return float(counts.accuracy_T.min()) if counts.tested.size else math.nan


@metric("zeros", "classes at zero", higher_is_better=False, digits=1)
def _zeros(counts: Counts) -> float:
    """Number of classes with test rows and no hit."""
    return float((counts.hits_T == 0).sum())


@metric("g-mean", "G-mean")
def _g_mean(counts: Counts) -> float:
    """Geometric mean of the class accuracies, 0 where a class has no hit (Kubat, Matwin, ICML 1997, for C classes)."""
    if not counts.tested.size or not counts.accuracy_T.all():
        return 0.0 if counts.tested.size else math.nan
    return float(np.exp(np.log(counts.accuracy_T).mean()))


metric("macro-f1", "macro-F1", needs="confusions")(confusions.macro_f1)
metric("mcc", "MCC", needs="confusions")(confusions.matthews)
metric("auroc", "AUROC", needs="probabilities")(probabilistic.auroc)
metric("average-precision", "AP", needs="probabilities")(probabilistic.average_precision)
metric("nll", "NLL", needs="probabilities", higher_is_better=False)(probabilistic.nll)
metric("brier", "Brier", needs="probabilities", higher_is_better=False)(probabilistic.brier)
metric("ece", "ECE", needs="probabilities", higher_is_better=False)(probabilistic.ece)
metric("class-ece", "class ECE", needs="probabilities", higher_is_better=False, digits=4)(probabilistic.class_ece)


@metric("temperature", "T", needs="calibrated", higher_is_better=None, digits=2)
def _temperature(probabilities_NC: np.ndarray, labels_N: np.ndarray, temperature: float) -> float:
    """Temperature with the lowest NLL of the validation rows; above 1: the stage is overconfident there."""
    return temperature


@metric("calibrated-nll", "NLL at T", needs="calibrated", higher_is_better=False)
def _calibrated_nll(probabilities_NC: np.ndarray, labels_N: np.ndarray, temperature: float) -> float:
    """NLL after temperature scaling."""
    return probabilistic.nll(probabilities_NC, labels_N)


@metric("calibrated-ece", "ECE at T", needs="calibrated", higher_is_better=False)
def _calibrated_ece(probabilities_NC: np.ndarray, labels_N: np.ndarray, temperature: float) -> float:
    """Calibration error after temperature scaling."""
    return probabilistic.ece(probabilities_NC, labels_N)
