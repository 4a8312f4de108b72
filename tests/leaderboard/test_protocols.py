"""Two stages against one over all classes: on the rows of head and tail, among the part's classes and among all."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.leaderboard import files
from benchmarks.leaderboard.compared.protocols import PAGE
from benchmarks.records import storage
from benchmarks.records.bits import pack_bits
from benchmarks.records.hits import AMONG_OWN_PART, among_own_part
from tests.leaderboard import make

RECIPE = {"learning_rate": 0.1, "head_classes": 2}
HEAD, TAIL = ("h0", "h1"), ("t0", "t1", "t2")
HEAD_N, TAIL_N = (10, 6), (4, 0, 2)


def put(out: Path, strategy: str, two: str, own: str, among_all: str, recipe: dict = RECIPE, seed: int = 0) -> None:
    """Write a two-stage record and a joint one; their hits are ones in texts of the 16 head and the 6 tail rows."""
    two_N, own_N, all_N = (np.array([one == "1" for one in text]) for text in (two, own, among_all))
    stages = (
        make.stage_result("head", (90, 80), HEAD_N, classes=HEAD, hits_N=two_N[:16]),
        make.stage_result("tail", (9, 8, 7), TAIL_N, classes=TAIL, hits_N=two_N[16:]),
    )
    named = {"dataset": "photos", "strategy": strategy, "seed": seed, "recipe": recipe}
    storage.write(make.record(stages, suite="two", **named), out)
    joint = make.stage_result("all", (90, 80, 9, 8, 7), HEAD_N + TAIL_N, classes=HEAD + TAIL, hits_N=all_N)
    bits = pack_bits(own_N, np.repeat(np.arange(5), HEAD_N + TAIL_N))
    storage.write(make.record((joint,), suite="one", extra={AMONG_OWN_PART: {"all": bits}}, **named), out)


def row(text: str, strategy: str) -> list[str]:
    (line,) = (line for line in text.splitlines() if line.startswith(f"| {strategy} "))
    return [cell.strip(" *") for cell in line.strip("|").split("|")]


def test_each_part_is_compared_among_its_own_classes(tmp_path: Path) -> None:
    head = "1" * 5 + "0" * 5 + "1" * 3 + "0" * 3
    put(tmp_path, "none", two=f"{head}1000" + "11", own=f"{head}1100" + "10", among_all="0" * 16 + "1000" + "10")
    texts = files.generate(tmp_path)
    assert f"]({PAGE})" in texts[Path("README.md")]
    _, tail, own, difference, among_all, head_two, head_own, equal, head_all = row(texts[PAGE], "none")
    # tail: classes of 4 and 2 rows, (1/4 + 2/2) / 2 and (2/4 + 1/2) / 2 and (1/4 + 1/2) / 2
    assert (tail, own, among_all) == ("0.625", "0.500", "0.375") and difference.startswith("-0.125 [")
    assert (head_two, head_own, head_all) == ("0.500", "0.500", "0.000") and equal == "0.000 [0.000, 0.000]"


def test_a_difference_that_stands_is_marked(tmp_path: Path) -> None:
    for seed in range(3):
        put(tmp_path, "none", "0" * 22, "1" * 15 + "0" * 7, "0" * 22, seed=seed)
    cells = row(files.generate(tmp_path)[PAGE], "none")
    assert cells[7].endswith("▲") and not cells[3].endswith("▲")


@pytest.mark.parametrize("change", ["recipe", "not recorded"])
def test_what_differs_in_more_than_the_protocol_is_not_compared(tmp_path: Path, change: str) -> None:
    put(tmp_path, "none", "1" * 22, "1" * 22, "1" * 22)
    for path in (tmp_path / "one" / "records").rglob("*.json"):
        record = storage.read(path)
        path.unlink()
        if change == "recipe":
            record = make.change(record, recipe={**RECIPE, "learning_rate": 0.2})
        else:
            record = make.change(record, extra={})
        storage.write(record, tmp_path)
    assert PAGE not in files.generate(tmp_path)


def test_a_suite_is_compared_with_its_own_twin_alone(tmp_path: Path) -> None:
    put(tmp_path, "none", "1" * 22, "1" * 22, "1" * 22)
    for path in list(tmp_path.rglob("*.json")):
        record = storage.read(path)
        storage.write(
            dataclasses.replace(record, suite={"two": "deeper", "one": "deeper-joint"}[record.suite]), tmp_path
        )
    shutil.rmtree(tmp_path / "one")
    text = files.generate(tmp_path)[PAGE]
    assert "## [deeper](" in text and "[two](" not in text


def test_only_classes_of_the_own_part_compete() -> None:
    logits_NC = np.array([[3, 1, 9, 0], [1, 3, 9, 0], [9, 9, 1, 2], [9, 9, 2, 2]], dtype=np.float32)
    found_N = among_own_part(logits_NC, np.array([0, 0, 3, 3]), head_classes=2)
    assert found_N.tolist() == [True, False, True, False]  # the last: a tie is a miss
