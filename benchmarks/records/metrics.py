"""Metrics by name: one number that says how good a stage's predictions are.

To add a metric, add one decorated function here (or in a plugin, before anything is scored):

    @metric("geometric-mean", "G-mean")
    def _geometric_mean(counts: Counts) -> float:
        return float(scipy.stats.gmean(counts.accuracy_T))

    @metric("nll", "NLL", needs="probabilities", higher_is_better=False)
    def _nll(probabilities_NC: np.ndarray, labels_N: np.ndarray) -> float:
        return float(-np.log(probabilities_NC[np.arange(len(labels_N)), labels_N]).mean())

A metric from hits is computed from the counts that every record keeps, so it also exists for older records. A metric
from probabilities is computed once, when a cell is scored, and stored in the record (`StageResult.metrics`).

Shape suffixes: N rows, C classes, T classes with test rows. A number without rows behind it is NaN, never 0.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Literal, TypeVar

import numpy as np

from backbones.errors import nearest
from benchmarks.support.errors import UserError

MANY, FEW = 100, 20  # more than 100 / 20..100 / fewer than 20 training rows: Liu et al., Open Long-Tailed Recognition

Needs = Literal["hits", "probabilities"]
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
    higher_is_better: bool = True
    digits: int = 3


METRICS: dict[str, Metric] = {}  # in the order of registration


def metric(
    name: str, header: str, *, needs: Needs = "hits", higher_is_better: bool = True, digits: int = 3
) -> Callable[[_Function], _Function]:
    """Decorator for the function that computes a metric; it is returned unchanged.

    With `needs="hits"` the function takes a stage's `Counts`; with "probabilities" it takes float64 [N, C]
    (rows sum to 1) and int64 labels [N] of the test rows, N at least 1. `header`: the short text above its column,
    in which the value is written with `digits` decimals. Raises ValueError for a name that is taken.
    """

    def register(function: _Function) -> _Function:
        if name in METRICS:
            raise ValueError(f"the metric {name!r} is registered already; choose another name")
        METRICS[name] = Metric(name, header, function, needs, higher_is_better, digits)
        return function

    return register


def get(name: str) -> Metric:
    """Return the metric of that name; UserError with the nearest names where there is none."""
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


def from_probabilities(logits_NC: np.ndarray, labels_N: np.ndarray) -> dict[str, float]:
    """Return every metric that needs probabilities, from the softmax of the logits; NaN values are left out."""
    wanted = names("probabilities")
    if not wanted or not len(labels_N):
        return {}
    logits_NC = np.asarray(logits_NC, dtype=np.float64)
    exp_NC = np.exp(logits_NC - logits_NC.max(axis=1, keepdims=True))
    probabilities_NC = exp_NC / exp_NC.sum(axis=1, keepdims=True)
    found = {name: float(METRICS[name].function(probabilities_NC, labels_N)) for name in wanted}
    return {name: value for name, value in found.items() if not math.isnan(value)}


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
