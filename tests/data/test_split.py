from __future__ import annotations

import random
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.data.base import Loaded
from benchmarks.data.split import redraw, stages, unseen
from benchmarks.support.errors import UserError

COUNTS = {"a": (40, 5), "b": (30, 0), "c": (10, 3), "d": (9, 2), "e": (1, 4), "f": (0, 6)}  # training, test rows


def loaded(counts: Mapping[str, tuple[int, int]], shuffle: int | None = None) -> Loaded:
    rows = [
        (f"{name}{i}", label, i < train)
        for label, (name, (train, test)) in enumerate(counts.items())
        for i in range(train + test)
    ]
    if shuffle is not None:
        random.Random(shuffle).shuffle(rows)
    n = len(rows)
    return Loaded(
        name="x",
        ids=tuple(row[0] for row in rows),
        texts=None,
        origin="here",
        notes=(),
        images_NHWC=np.zeros((n, 8, 8, 3), dtype=np.uint8),
        labels_N=np.array([row[1] for row in rows], dtype=np.int64),
        class_names=tuple(counts),
        train_N=np.array([row[2] for row in rows], dtype=bool),
        fingerprint="f",
        size=8,
    )


def test_head_and_tail() -> None:
    data = loaded(COUNTS)
    head, tail = stages(data, "two-stage", 2, 0.1)
    assert (head.stage, head.name, head.classes) == (1, "head", (0, 1))
    assert (tail.stage, tail.name, tail.classes) == (2, "tail", (2, 3, 4))
    assert [len(head.train_rows), len(head.validation_rows), len(head.test_rows)] == [63, 7, 5]
    assert [len(tail.train_rows), len(tail.validation_rows), len(tail.test_rows)] == [19, 1, 9]
    assert unseen(data) == (1, 6)


def test_joint_is_one_stage_of_all_classes_seen() -> None:
    (stage,) = stages(loaded(COUNTS), "joint", 20, 0.0)
    assert (stage.stage, stage.name, stage.classes) == (1, "all", (0, 1, 2, 3, 4))
    assert [len(stage.train_rows), len(stage.validation_rows), len(stage.test_rows)] == [90, 0, 14]


@pytest.mark.parametrize(
    ("counts", "protocol", "head", "part", "message"),
    [
        (
            COUNTS,
            "two-stage",
            5,
            0.1,
            "^here has 5 classes .*: with 5 of them as head, .*; give --head-classes from 2 to 3, or --",
        ),
        (COUNTS, "two-stage", 0, 0.1, "with 0 of them as head"),
        (COUNTS, "two-stage", 1, 0.1, "with 1 of them as head"),
        (COUNTS, "two-stage", 4, 0.1, "with 4 of them as head"),
        (dict.fromkeys("abcd", (3, 3)), "two-stage", 20, 0.1, "; give --head-classes 2, or --protocol joint.$"),
        (dict.fromkeys("abc", (3, 3)), "two-stage", 2, 0.1, "; give --protocol joint.$"),
        ({"a": (3, 3), "b": (0, 3)}, "two-stage", 1, 0.1, "here has 1 class with training rows; a stage needs two"),
        ({"a": (3, 3), "b": (0, 3)}, "joint", 1, 0.1, "here has 1 class with training rows; a stage needs two"),
        (COUNTS, "two-stage", 2, 1.0, "validation part must be"),
        (COUNTS, "two-stage", 2, float("nan"), "validation part must be"),
    ],
)
def test_what_cannot_be_split(
    counts: dict[str, tuple[int, int]], protocol: str, head: int, part: float, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        stages(loaded(counts), protocol, head, part)  # type: ignore[arg-type]


ROWS = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 3)), min_size=4, max_size=8)


@given(ROWS, st.floats(0, 0.99), st.integers(0, 3))
def test_parts_are_disjoint_complete_and_of_the_size_asked(
    counts: list[tuple[int, int]], part: float, seed: int
) -> None:
    data = loaded({f"c{i}-": count for i, count in enumerate(sorted(counts, reverse=True))})
    for stage in stages(data, "two-stage", 2, part, seed):
        rows = np.concatenate([stage.train_rows, stage.validation_rows, stage.test_rows])
        assert sorted(rows.tolist()) == np.flatnonzero(np.isin(data.labels_N, stage.classes)).tolist()
        assert data.train_N[stage.train_rows].all()
        assert data.train_N[stage.validation_rows].all()
        assert not data.train_N[stage.test_rows].any()
        for label in stage.classes:
            n = int((data.train_N & (data.labels_N == label)).sum())
            held = int((data.labels_N[stage.validation_rows] == label).sum())
            asked = max(1, int(part * n + 1e-9)) if n >= 10 and part > 0 else 0
            assert held == asked
            assert held < n
        for part_rows in (stage.train_rows, stage.validation_rows, stage.test_rows):
            assert part_rows.dtype == np.int64
            assert (np.diff(part_rows) > 0).all()


def test_the_rows_held_out_depend_on_ids_and_seed_only() -> None:
    def held(shuffle: int | None, seed: int) -> set[str]:
        data = loaded(COUNTS, shuffle)
        return {data.ids[row] for stage in stages(data, "two-stage", 2, 0.2, seed) for row in stage.validation_rows}

    assert held(None, 0) == held(1, 0) == held(2, 0)
    assert held(None, 0) != held(None, 1)


def test_another_split_has_other_test_rows_of_the_same_sizes() -> None:
    data = loaded(COUNTS)
    drawn = {k: redraw(data.labels_N, data.train_N, data.ids, k) for k in (1, 2)}
    for train_N in drawn.values():
        for label in range(len(COUNTS)):
            of_class = data.labels_N == label
            assert train_N[of_class].sum() == data.train_N[of_class].sum()
        assert (train_N != data.train_N).any()
    assert (drawn[1] != drawn[2]).any()
    order = np.arange(len(data.ids))[::-1]
    again = redraw(data.labels_N[order], data.train_N[order], [data.ids[row] for row in order], 1)
    assert (again[order] == drawn[1]).all()


def test_folds_hold_out_each_row_once_and_as_many_of_each_class() -> None:
    data = loaded(COUNTS)
    folds = [stages(data, "joint", 20, 0.1, folds=5, fold=fold)[0] for fold in range(5)]
    counts = [np.bincount(data.labels_N[one.validation_rows], minlength=6).tolist() for one in folds]
    assert counts == [[8, 6, 2, 1, 0, 0]] * 5
    held = np.concatenate([one.validation_rows for one in folds])
    assert len(np.unique(held)) == len(held)
    for one in folds:
        assert np.array_equal(one.test_rows, folds[0].test_rows)
        assert not set(one.train_rows) & set(one.validation_rows)
        assert len(one.train_rows) + len(one.validation_rows) == 90
