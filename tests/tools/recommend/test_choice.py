"""The pick: best on validation rows, the head kept, the simplest where scores tie."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.data.split import head_by_rows
from benchmarks.tools.recommend import halving
from benchmarks.tools.recommend.candidates import candidates, complexity
from benchmarks.tools.recommend.choice import choose
from benchmarks.tools.recommend.goals import Predicted
from benchmarks.tools.recommend.halving import Rung
from strategies.combining.expression import parse

LABELS_N = np.repeat([0, 1, 2], [200, 200, 200])


def with_accuracies(*shares: float, seeds: int = 1, sure: float = 1.0) -> Predicted:
    """Return predictions that are right on the first rows of each class, such a share of them.

    `sure`: their graded accuracy where they are right.
    """
    right_N = np.concatenate([np.arange(200) < share * 200 for share in shares])
    classes_N = np.where(right_N, LABELS_N, (LABELS_N + 1) % 3)
    return Predicted(LABELS_N, dict.fromkeys(range(seeds), classes_N), dict.fromkeys(range(seeds), sure * right_N))


def pick(found: dict[str, Predicted], keep: float = math.inf, **seconds: float):
    return choose("class-mean", found, {name: seconds.get(name, 1.0) for name in found}, head=1, keep=keep)


def test_the_best_is_picked_and_its_group_holds_what_cannot_be_told_from_it() -> None:
    found = {
        "none": with_accuracies(0.9, 0.5, 0.1),
        "oversample": with_accuracies(0.9, 0.6, 0.6),
        "crt": with_accuracies(0.9, 0.6, 0.59),
    }
    choice = pick(found)
    assert choice.pick.strategy == "oversample"
    assert [one.strategy for one in choice.top] == ["oversample", "crt"]
    assert choice.beats_plain and choice.plain.gain.value == 0


def test_among_ties_the_simplest_wins_then_the_cheapest() -> None:
    found = {
        "none": with_accuracies(0.9, 0.5, 0.1),
        "mixup+logit-adjust-posthoc": with_accuracies(0.9, 0.6, 0.61),
        "oversample": with_accuracies(0.9, 0.6, 0.605),
        "crt": with_accuracies(0.9, 0.6, 0.605),
    }
    assert pick(found, crt=0.5).pick.strategy == "crt"
    assert pick(found, oversample=0.5).pick.strategy == "oversample"


def test_where_hits_tell_nothing_apart_graded_accuracy_decides() -> None:
    found = {
        "none": with_accuracies(0.9, 0.5, 0.1),
        "mixup": with_accuracies(0.9, 0.6, 0.59, sure=0.9),
        "oversample": with_accuracies(0.9, 0.6, 0.6, sure=0.8),
        "crt": with_accuracies(0.9, 0.59, 0.2, sure=1.3),
    }
    choice = pick(found)
    assert choice.ranked[0].strategy == "oversample" and choice.pick.strategy == "mixup"
    assert [one.strategy for one in choice.rivals] == ["oversample", "mixup"], "crt is worse beyond chance"


def test_a_simpler_strategy_has_to_tie_in_the_mean_of_hits_and_graded_accuracy() -> None:
    found = {
        "none": with_accuracies(0.9, 0.5, 0.1),
        "mixup+crt": with_accuracies(0.9, 0.6, 0.6, sure=0.9),
        "oversample": with_accuracies(0.9, 0.6, 0.58, sure=0.89),
        "mixup": with_accuracies(0.9, 0.6, 0.6, sure=0.88),
    }
    assert len(pick(found).rivals) == 3 and pick(found).pick.strategy == "mixup+crt"
    found["crt"] = with_accuracies(0.9, 0.6, 0.595, sure=0.9)
    assert pick(found).pick.strategy == "crt"


def test_a_pick_keeps_the_head_where_it_has_to() -> None:
    found = {
        "none": with_accuracies(0.9, 0.5, 0.1),
        "oversample": with_accuracies(0.8, 0.9, 0.9),
        "crt": with_accuracies(0.895, 0.6, 0.4),
    }
    free = pick(found)
    assert free.pick.strategy == "oversample" and free.gentle is not None and free.gentle.strategy == "crt"
    kept = pick(found, keep=0.01)
    assert kept.pick.strategy == "crt" and kept.too_costly == ("oversample",) and kept.gentle is None
    assert [one.strategy for one in free.top] == ["oversample"] and [one.strategy for one in kept.top] == ["crt"]
    assert pick(found, keep=0.0).pick.strategy == "none"


def test_a_strategy_that_was_left_behind_is_not_picked() -> None:
    found = {
        "none": with_accuracies(0.9, 0.5, 0.1, seeds=5),
        "oversample": with_accuracies(0.9, 0.9, 0.9, seeds=1),
        "crt": with_accuracies(0.9, 0.6, 0.4, seeds=5),
    }
    assert pick(found).pick.strategy == "crt"


@pytest.mark.parametrize(
    ("counts", "head"), [([10, 9, 1], 1), ([5, 5, 5, 5], 2), ([100, 1], 1), ([1, 1], 1), ([4, 3, 3, 2], 2)]
)
def test_the_head_holds_half_of_the_rows(counts: list[int], head: int) -> None:
    assert head_by_rows(counts) == head


def test_halving_keeps_the_better_half_and_plain_training() -> None:
    names = [f"s{k}" for k in range(20)]
    rung: Rung | None = Rung(("none", *names), 1)
    rungs = []
    while rung:
        rungs.append((len(rung.strategies), rung.seeds))
        rung = halving.after(rung, [*names, "none"], "none")
    assert rungs[0] == (21, 1) and rungs[-1][1] == halving.MOST_SEEDS
    assert rungs == sorted(rungs, key=lambda one: (-one[0], one[1]))
    second = halving.after(Rung(("none", *names), 1), [*names[::-1], "none"], "none")
    assert second is not None and second.strategies == ("none", *names[:8:-1]) and second.seeds == 2


def test_candidates_can_be_exported_and_apply_to_frozen_features() -> None:
    frozen, all_weights = candidates(frozen=True), candidates(frozen=False)
    assert frozen[0] == "none" and len(set(frozen)) == len(frozen) > 40
    assert {"cutmix", "cmo"} <= set(all_weights) - set(frozen)
    assert not [text for text in all_weights if "text" in parse(text).needs or parse(text).transductive]


def test_complexity_orders_plain_training_corrections_and_pairs() -> None:
    order = ["none", "logit-adjust-posthoc", "balanced-softmax", "oversample+loss-weights", "ride"]
    assert [complexity(text) for text in order] == [0, 1, 2, 3, 3]
