"""Whether rankings of one data set agree: rank correlations and what the best of one loses in another."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from benchmarks.leaderboard import files
from benchmarks.leaderboard.compared.agreement import PAGE, interval, spearman
from benchmarks.records import storage
from tests.leaderboard import make
from tests.leaderboard.test_across import put

SIX = {"none": 50, "a": 60, "b": 70, "c": 40, "d": 30, "e": 20}


def rows(out: Path) -> list[list[str]]:
    lines = [line for line in files.generate(out)[PAGE].splitlines() if line.startswith("| [")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_two_suites_of_one_data_set_are_compared(tmp_path: Path) -> None:
    put(tmp_path, "photos", SIX, suite="first")
    put(tmp_path, "photos", {**SIX, "a": 65, "b": 64}, suite="second", image_size=128)
    put(tmp_path, "drawings", SIX, suite="third")
    texts = files.generate(tmp_path)
    assert f"]({PAGE})" in texts[Path("README.md")]
    ((one, other, strategies, correlation, lost),) = rows(tmp_path)
    assert one.startswith("[first](first/leaderboard.md)") and other.startswith("[second]")
    # two neighbours changed places: r = 1 - 6 * 2 / (6 * 35), and b, the first's best, is 0.01 below a;
    # tanh(atanh(r) - 1.96 sqrt((1 + r^2 / 2) / 3)) = 0.38
    assert (strategies, correlation, lost) == ("6", "0.94 [0.38, 1.00]", "0.010")


def test_rows_with_the_same_answers_in_both_count_once(tmp_path: Path) -> None:
    for suite in ("first", "second"):
        put(tmp_path, "photos", {**SIX, "b again": 70, "f": 10}, suite=suite, image_size=64 + len(suite))
    assert rows(tmp_path)[0][2] == "7"


def test_a_suite_with_several_backbones_is_compared_by_its_first(tmp_path: Path) -> None:
    seven = {**SIX, "f": 10}
    for backbone, hits in (("mobilenetv3", SIX), ("resnet10t", seven), ("resnet18", SIX)):
        put(tmp_path, "photos", hits, suite="first", backbone=backbone)
    for backbone in ("resnet18", "resnet50"):
        put(tmp_path, "photos", SIX, suite="second", image_size=128, backbone=backbone)
    assert [re.findall(r"\[(\w+)\]\S+, (\w+)", one + other) for one, other, *_ in rows(tmp_path)] == [
        [("first", "resnet10t"), ("first", "mobilenetv3")],
        [("first", "resnet10t"), ("first", "resnet18")],
        [("first", "resnet10t"), ("second", "resnet18")],
        [("second", "resnet18"), ("second", "resnet50")],
    ]


@pytest.mark.parametrize("change", ["too few", "other rows", "text"])
def test_what_cannot_be_compared_has_no_page(tmp_path: Path, change: str) -> None:
    put(tmp_path, "photos", SIX, suite="first")
    names = list(SIX)
    if change == "text":
        names[1] = "text-only"
    if change == "too few":
        names.pop()
    for k, name in enumerate(names):
        stage = make.stage_result(train_n=(9,), test_n=(100,))
        if change == "other rows":
            stage = dataclasses.replace(stage, rows_key="others")
        storage.write(make.record((stage,), suite="second", dataset="photos", strategy=name, seed=k), tmp_path)
    texts = files.generate(tmp_path)
    assert PAGE not in texts and PAGE.as_posix() not in texts[Path("README.md")]


def test_the_page_goes_when_its_records_are_gone(tmp_path: Path) -> None:
    put(tmp_path, "photos", SIX, suite="first")
    put(tmp_path, "photos", SIX, suite="second", image_size=128)
    files.write(tmp_path)
    assert (tmp_path / PAGE).is_file() and files.check(tmp_path) == []
    for path in (tmp_path / "second" / "records").rglob("*.json"):
        path.unlink()
    files.write(tmp_path)
    assert not (tmp_path / PAGE).exists()


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=3, max_size=30))
def test_the_correlation_is_scipys(pairs: list[tuple[int, int]]) -> None:
    x_n, y_n = np.array(pairs, dtype=float).T
    if len(set(x_n)) == 1 or len(set(y_n)) == 1:
        assert np.isnan(spearman(x_n, y_n))
    else:
        assert spearman(x_n, y_n) == pytest.approx(spearmanr(x_n, y_n).statistic)


def test_the_interval_covers_as_often_as_it_says() -> None:
    draws, held = np.random.default_rng(0), 0
    truth = 6 / np.pi * np.arcsin(0.7 / 2)  # Spearman's correlation of normal pairs with Pearson's 0.7
    for _ in range(400):
        x_n, e_n = draws.normal(size=(2, 40))
        low, high = interval(spearman(x_n, 0.7 * x_n + np.sqrt(1 - 0.49) * e_n), 40)
        held += low <= truth <= high
    assert 0.92 <= held / 400 <= 0.98


def test_a_perfect_agreement_has_no_interval() -> None:
    assert np.isnan(interval(1.0, 20)).all() and np.isnan(interval(0.5, 3)).all()
