"""A strategy that sees the test distribution is marked wherever its name or numbers are shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.cli import main
from benchmarks.leaderboard import files
from benchmarks.leaderboard.report.page import report
from benchmarks.leaderboard.sections import sections
from benchmarks.leaderboard.short import columns
from benchmarks.records import frames, storage
from benchmarks.records.kinds import MARK, NOTE
from benchmarks.records.ranking import ranking
from benchmarks.records.record import Record
from tests.leaderboard import make

ADAPTED, JOINED = "em-label-shift", "drw+em-label-shift"


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    """Return four cells whose transductive ones are best, written below `tmp_path`."""
    made = []
    for k, strategy in enumerate(("none", "drw", ADAPTED, JOINED)):
        stages = tuple(make.stage_result(name, accuracy=0.4 + 0.15 * k, seed=k) for name in ("head", "tail"))
        made.append(make.record(stages, strategy=strategy))
        storage.write(made[-1], tmp_path)
    return made


def test_every_table_of_the_pages_marks_it_and_says_what_the_mark_means(tmp_path: Path, records: list[Record]) -> None:
    pages = files.generate(tmp_path)
    for path in ("toy/leaderboard.md", "toy/per-class/resnet10t.md"):
        text = pages[Path(path)]
        rows = [line for line in text.splitlines() if line.startswith("|") and ADAPTED in line]
        assert rows and all(line.count(ADAPTED) == line.count(f"{ADAPTED} {MARK}") for line in rows)
        assert text.count(NOTE) == 1 and "none †" not in text
    report_page = report("toy", records)
    assert all(json.dumps(f"{name} {MARK}") in report_page for name in (ADAPTED, JOINED)) and NOTE in report_page


def test_without_such_a_strategy_nothing_speaks_of_it(tmp_path: Path) -> None:
    plain = make.record()
    storage.write(plain, tmp_path)
    pages = files.generate(tmp_path)
    assert not any(MARK in text for text in [*pages.values(), report("toy", [plain])])


def test_it_is_a_row_of_its_own_even_where_it_has_the_scores_of_another() -> None:
    alike = [make.record(strategy=name) for name in ("none", "drw", ADAPTED)]
    [section] = sections(alike)
    assert sorted(entry.names for entry in section.merged().entries) == [(ADAPTED,), ("none", "drw")]


def test_a_run_s_ranking_puts_it_after_the_others(records: list[Record]) -> None:
    rows = ranking(records)
    assert [row.strategy for row in rows] == ["drw", "none", JOINED, ADAPTED]
    [names] = [column.texts(rows) for column in columns(rows[0]) if column.header == "strategy"]
    assert names == ["drw", "none", f"{JOINED} {MARK}", f"{ADAPTED} {MARK}"]


def test_the_numbers_have_a_column_for_it(records: list[Record]) -> None:
    for table in (frames.frames(records).stages, frames.frames(records).classes):
        assert set(table[table["transductive"]]["strategy"]) == {ADAPTED, JOINED}


@pytest.mark.usefixtures("records")
def test_explain_marks_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "tail 0", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert f"\n{ADAPTED} {MARK} " in said and said.count(NOTE) == 1
    assert main(["explain", "tail 0", "--strategy", "drw", "--out", str(tmp_path)]) == 0
    assert MARK not in capsys.readouterr().out
