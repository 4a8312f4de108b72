"""Goals against plain float64 counting, and their paired differences."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from benchmarks.records import stats
from benchmarks.tools.recommend import goals
from benchmarks.tools.recommend.goals import Predicted

CLASSES = 4


def predicted(seeds: int, skill: float, seed: int = 0) -> Predicted:
    """Return predictions of 4 classes that are right with a probability of `skill`."""
    random = np.random.default_rng(seed)
    labels_N = np.repeat(np.arange(CLASSES), [40, 20, 10, 6])
    guesses = {s: random.integers(0, CLASSES, len(labels_N)) for s in range(seeds)}
    right = {s: random.random(len(labels_N)) < skill for s in range(seeds)}
    return of_classes(labels_N, {s: np.where(right[s], labels_N, guesses[s]) for s in range(seeds)})


def of_classes(labels_N: np.ndarray, by_seed: dict[int, np.ndarray]) -> Predicted:
    """Return these predictions, each of them certain."""
    return Predicted(labels_N, by_seed, {s: (of == labels_N).astype(float) for s, of in by_seed.items()})


def reference(goal: str, of: Predicted) -> float:
    runs = list(of.by_seed.values())
    if goal == "macro-f1":
        labels = np.concatenate([of.labels_N] * len(runs))
        return float(f1_score(labels, np.concatenate(runs), average="macro"))
    if goal == "class-mean":
        return float(np.mean([balanced_accuracy_score(of.labels_N, run) for run in runs]))
    if goal == "top-1":
        return float(np.mean([(of.labels_N == run).mean() for run in runs]))
    by_class = [np.mean([(run == of.labels_N)[of.labels_N == c].mean() for run in runs]) for c in range(CLASSES)]
    return float(min(by_class))


@pytest.mark.parametrize("goal", goals.NAMES)
def test_the_value_is_that_of_plain_counting(goal: str) -> None:
    of = predicted(3, 0.5)
    assert goals.value(goal, of) == pytest.approx(reference(goal, of), abs=1e-6)


@pytest.mark.parametrize("goal", ["class-mean", "worst-class", "top-1"])
def test_graded_accuracy_is_the_accuracy_where_predictions_are_certain(goal: str) -> None:
    of = predicted(3, 0.5)
    assert goals.graded(goal, of) == pytest.approx(goals.value(goal, of), abs=1e-6)


@pytest.mark.parametrize("goal", goals.NAMES)
def test_a_difference_is_that_of_the_values_and_beyond_chance_where_it_is_large(goal: str) -> None:
    good, bad = predicted(2, 0.95), predicted(2, 0.2, seed=1)
    found = goals.paired(goal, good, bad)
    assert found.value == pytest.approx(reference(goal, good) - reference(goal, bad), abs=1e-6)
    assert found.low > 0 and found.p < 0.05
    same = goals.paired(goal, good, good)
    assert same.value == 0 and same.p == 1


def test_the_bootstrap_agrees_in_size_with_the_closed_interval() -> None:
    # the accuracy of the worst of one class is its top-1
    labels_N = np.zeros(300, dtype=int)
    random = np.random.default_rng(3)
    one, other = ({0: np.where(random.random(300) < skill, 0, 1)} for skill in (0.8, 0.7))
    found = goals.paired("worst-class", of_classes(labels_N, one), of_classes(labels_N, other))
    hits = [(of[0] == 0).astype(np.int8)[None] for of in (one, other)]
    closed = stats.compare(hits[0] - hits[1], [300])
    assert found.value == pytest.approx(closed.value, abs=1e-6)
    assert found.high - found.low == pytest.approx(closed.high - closed.low, rel=0.2)


def test_only_common_seeds_count() -> None:
    ours, theirs = predicted(3, 0.9), predicted(1, 0.5, seed=1)
    first = of_classes(ours.labels_N, {0: ours.by_seed[0]})
    assert goals.paired("class-mean", ours, theirs) == goals.paired("class-mean", first, theirs)
    with pytest.raises(ValueError, match="common seed"):
        goals.paired("class-mean", of_classes(ours.labels_N, {7: ours.by_seed[0]}), theirs)
