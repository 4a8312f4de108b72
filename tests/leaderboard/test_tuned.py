"""Records of tuned settings: their files, their sections, and the default's figures next to theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.leaderboard import files
from benchmarks.leaderboard.sections import sections
from benchmarks.records import frames, storage
from benchmarks.records.record import Record, StageResult
from benchmarks.suites.reproduce import training_command
from tests.leaderboard import make

RECIPE = {"learning_rate": 0.1, "weight_decay": 0.001}


def tuned(of: str, rate: float, strategy: str | None = None, trials: int = 8, **changes: Any) -> Record:
    """Return the record of a strategy with another learning rate that a search chose."""
    told = {
        "of": of, "trials": trials, "failed": 0, "seeds": 1, "trial": 3, "settings": {"learning_rate": rate},
        "default": RECIPE, "validation": [0.5, 0.625],
    }  # fmt: skip
    recipe = {**RECIPE, "learning_rate": rate}
    return make.record(strategy=strategy or of, recipe=recipe, extra={"tuned": told}, **changes)


def default(strategy: str) -> Record:
    return make.record(strategy=strategy, recipe=RECIPE)


def write(out: Path, *records: Record) -> str:
    for record in records:
        storage.write(record, out)
    return files.generate(out)[Path("toy") / "leaderboard.md"]


def test_tuned_records_have_files_of_their_own_and_are_read_back(tmp_path: Path) -> None:
    records = [default("none"), tuned("none", 0.2), tuned("focal", 0.3, "focal(gamma=1.5)")]
    names = [storage.write(record, tmp_path).name for record in records]
    assert names == ["none-seed0.json", "none-tuned-seed0.json", "focal-tuned-seed0.json"]
    found, problems = storage.read_all(tmp_path / "toy" / "records")
    assert not problems
    assert list(frames.stages(found).tuned) == [True, True, False, False, True, True]  # two stages each


def test_rates_that_a_search_chose_share_a_section_and_budgets_do_not() -> None:
    found = sections([default("none"), tuned("none", 0.2), tuned("focal", 0.3), tuned("cdt", 0.3, trials=16)])
    names = [sorted(entry.strategy for entry in section.entries) for section in found]
    assert names == [["none"], ["focal", "none"], ["cdt"]]
    assert found[1].comparable(found[1].entries[0])  # tuned is compared with tuned plain training


def test_the_page_shows_both_and_says_what_was_chosen(tmp_path: Path) -> None:
    text = write(tmp_path, default("none"), tuned("none", 0.2), tuned("focal", 0.3))
    assert "tuned (8 trials)" in text and "learning\\_rate tuned, weight\\_decay tuned" in text
    table = text.split("### Default and tuned")[1]
    cells = [line.split("|") for line in table.splitlines() if line.startswith("| resnet10t")]
    rows = {row[2].strip(): row for row in cells}
    assert [cell.strip() for cell in rows["none"][3:7]] == ["learning rate 0.2", "0", "0.500", "0.625"]
    assert "[" in rows["none"][9] and rows["focal"][9].strip() == "–"  # the default of focal was not run


def test_a_mark_is_corrected_for_the_rows_of_the_table(tmp_path: Path) -> None:
    def right(rows: int) -> tuple[StageResult, ...]:
        return (make.stage_result(train_n=(9,), test_n=(200,), hits_N=np.arange(200) < rows),)

    def table(folder: str, *others: str) -> str:
        records = [make.record(right(100), recipe=RECIPE), tuned("none", 0.2, stages=right(106))]
        for name in others:
            records += [
                make.record(right(100), strategy=name, recipe=RECIPE),
                tuned(name, 0.2, stages=right(101)),
            ]
        return write(tmp_path / folder, *records).split("### Default and tuned")[1]

    assert "▲" in table("alone")
    assert "▲" not in table("among", *(f"cdt(gamma=0.{digit})" for digit in range(1, 10)))


def test_no_page_speaks_of_tuning_without_tuned_records(tmp_path: Path) -> None:
    assert "tune" not in write(tmp_path, default("none"), default("focal"))


def test_its_command_sets_what_was_chosen() -> None:
    assert "--set recipe.learning_rate=0.2" in training_command(tuned("none", 0.2))
    assert "--set" not in training_command(default("none"))


def test_a_search_is_no_further_data_set(tmp_path: Path) -> None:
    for data_set in "ab":
        for strategy in ("none", "focal"):
            storage.write(make.record(strategy=strategy, suite=data_set, dataset=data_set, recipe=RECIPE), tmp_path)
    for of in ("none", "focal"):
        storage.write(tuned(of, 0.2, suite="c", dataset="c"), tmp_path)
    assert Path("across.md") not in files.generate(tmp_path)
