"""Columns on request."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from benchmarks.leaderboard import files, sections, ties
from benchmarks.leaderboard.requested import requested
from benchmarks.records.multiple import benjamini_hochberg
from benchmarks.records.record import Record
from benchmarks.records.storage import write
from benchmarks.support.errors import UserError
from tests.leaderboard import make


def records() -> list[Record]:
    """Four strategies; all but one of the records have a stored NLL."""
    found = []
    for k, accuracy in enumerate((0.3, 0.5, 0.7, 0.9)):
        stage = make.stage_result(accuracy=accuracy, seed=k)
        stage = dataclasses.replace(stage, metrics={"nll": 1.5 - accuracy, "temperature": 1.25} if k else {})
        found.append(make.record((stage,), strategy="none" if k == 0 else f"s{k}"))
    return found


def table(page: str, title: str) -> list[list[str]]:
    blocks = page.split(f"### {title}\n\n")[1].split("\n\n")
    lines = next(block for block in blocks if block.startswith("|")).splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_requested_columns_are_added_and_nothing_else_changes(tmp_path: Path) -> None:
    for record in records():
        write(record, tmp_path)
    files.write(tmp_path)
    plain = (tmp_path / "toy" / "leaderboard.md").read_text()
    files.write(tmp_path, None, requested("nll, temperature,nll,macro-f1"))
    page = (tmp_path / "toy" / "leaderboard.md").read_text()
    before, after = table(plain, "All classes"), table(page, "All classes")
    assert [row[:-3] for row in after[2:]] == before[2:]
    assert after[0][-3:] == ["NLL", "T", "macro-F1"]
    assert {row[0]: row[-3:] for row in after[2:]} == {
        "none": ["–", "–", "–"], "s1": ["1.000", "1.25", "–"], "s2": ["0.800", "1.25", "–"],
        "s3": ["**0.600**", "1.25", "–"],
    }  # fmt: skip
    assert table(page, "Against plain training") == table(plain, "Against plain training")
    assert files.check(tmp_path, None, ("nll", "temperature", "macro-f1")) == []
    assert files.check(tmp_path)


def test_q_values_are_those_of_the_column_before_them(tmp_path: Path) -> None:
    made = records()
    for record in made:
        write(record, tmp_path)
    page = files.generate(tmp_path, None, ("q",))[Path("toy/leaderboard.md")]
    rows = table(page, "Against plain training")
    assert rows[0][1:] == ["all class mean", "q", "all top-1", "q"]
    (section,) = sections.sections(made)
    found = ties.marked(section, section.entries, 0, 1)
    q = benjamini_hochberg([one.difference.p for one in found.values()])
    expected = {strategy: f"{value:.3f}" for (_, strategy), value in zip(found, q, strict=True)}
    assert {row[0]: row[2] for row in rows[2:]} == expected and "Benjamini-Hochberg" in page


def test_an_unknown_column_suggests_the_nearest() -> None:
    assert requested("") == ()
    with pytest.raises(UserError, match=r"no column 'macro_f1' \(did you mean 'macro-f1'"):
        requested("nll,macro_f1")
