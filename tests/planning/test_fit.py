"""What a suite leaves to the data."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from benchmarks.data.load import load
from benchmarks.planning.fit import fit_to, seeds_for
from benchmarks.planning.stages import make_stages
from benchmarks.suites import suite as suites
from benchmarks.support.errors import UserError


def test_head_classes_and_seeds_follow_the_training_rows(tmp_path: Path) -> None:
    digits, folder = load("digits", size=8, cache=tmp_path), suites.load("folder")
    joint = fit_to(digits, folder)
    assert (joint.seeds, joint.protocol, joint.head_classes, joint.name) == (5, "joint", 0, folder.name)
    two = fit_to(digits, folder.model_copy(update={"protocol": "two-stage"}))
    head, tail = make_stages(digits, two)
    rows = [len(stage.data.train_rows) + len(stage.data.validation_rows) for stage in (head, tail)]
    assert rows[0] >= rows[1] > rows[0] - 2 * digits.train_N[digits.labels_N == two.head_classes - 1].sum()
    fixed = suites.load("digits")
    assert fit_to(digits, fixed) is fixed


@pytest.mark.parametrize(("rows", "trained", "frozen"), [(300, 5, 5), (1000, 3, 5), (5000, 1, 5), (44_000, 1, 3)])
def test_seeds_are_more_where_rows_are_few(rows: int, trained: int, frozen: int) -> None:
    assert (seeds_for(rows, frozen=False), seeds_for(rows, frozen=True)) == (trained, frozen)


def test_four_classes_are_halved_and_three_are_no_two_stages(tmp_path: Path) -> None:
    digits = load("digits", size=8, cache=tmp_path)
    two_stage = suites.load("folder").model_copy(update={"protocol": "two-stage"})

    def first(classes: int) -> object:
        kept_N = digits.labels_N < classes
        return dataclasses.replace(
            digits,
            ids=tuple(np.array(digits.ids)[kept_N].tolist()),
            labels_N=digits.labels_N[kept_N],
            train_N=digits.train_N[kept_N],
            class_names=digits.class_names[:classes],
        )

    assert fit_to(first(4), two_stage).head_classes == 2
    with pytest.raises(UserError, match="give --protocol joint"):
        make_stages(first(3), fit_to(first(3), two_stage))
