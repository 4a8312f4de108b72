"""The live display on a terminal of a given size, drawn into memory; and the choice between it and plain lines."""

from __future__ import annotations

import dataclasses
import io
import re
import time
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from benchmarks.planning.estimate import Outlook
from benchmarks.planning.plan import Cell, Job, Plan
from benchmarks.planning.store import JobResult
from benchmarks.progress.display import LiveReporter, is_terminal, make_reporter
from benchmarks.progress.reporter import PlainReporter, Reporter, Reporters
from benchmarks.records.record import Record
from tests.leaderboard.make import record, stage_result

SHOW_CURSOR = "\x1b[?25h"
JOBS = {
    key: Job(key, "resnet10t", strategy, 1, 0, 0, 4, "all", False, None, False)
    for key, strategy in (("a", "none"), ("b", "oversample[odd]"))
}
CELLS = tuple(Cell(j.backbone, j.strategy, 0, ((j.key,),), f"cell {j.key}") for j in JOBS.values())
OUTLOOK = Outlook({}, frozenset(), tuple(JOBS.values()), {"a": 400, "b": 400}, {"a": 10.0, "b": 30.0}, {})


def _record(cell: Cell, accuracy: float) -> Record:
    stages = (stage_result("head", accuracy=0.9), stage_result("tail", accuracy=accuracy))
    return dataclasses.replace(record(stages), backbone=cell.backbone, strategy=cell.strategy)


def _terminal(width: int = 80, height: int = 24) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, height=height, highlight=False, no_color=True)


def _drawn(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _frame(reporter: LiveReporter, console: Console) -> str:
    with console.capture() as capture:
        console.print(reporter._frame())
    return Text.from_ansi(capture.get()).plain


def test_a_run_is_shown_with_its_share_its_job_and_its_ranking() -> None:
    console = _terminal()
    live = LiveReporter(OUTLOOK, console)
    live.begin(Plan(JOBS, CELLS), {})
    try:
        live.job_started(JOBS["a"], CELLS[0])
        live.progress(JOBS["a"], 1, 8)
        time.sleep(1.1)
        live.progress(JOBS["a"], 4, 8)
        shown = _frame(live, console)
        assert "12 %" in shown  # 5 of 40 expected seconds
        assert re.search(r"stage 1 resnet10t none seed 0: epoch 2/4, 1[0-4]\d img/s", shown)
        live.job_done(JOBS["a"], JobResult("a", 1.0, 400, 4, (1.0,), 0))
        live.cell_done(CELLS[0], _record(CELLS[0], 0.3))
        live.job_started(JOBS["b"], CELLS[1])
        live.job_done(JOBS["b"], JobResult("b", 1.0, 400, 4, (1.0,), 0))
        live.cell_done(CELLS[1], _record(CELLS[1], 0.9))
        shown = _frame(live, console)
        assert "100 %" in shown
        assert "2 of 2 cells" in shown
        assert shown.index("oversample[odd]") < shown.index("none ")
    finally:
        live.end()
    text = _drawn(console)
    assert "resnet10t | none | seed 0: head" in text
    assert text.rindex(SHOW_CURSOR) > text.rindex("%")


@pytest.mark.parametrize(("width", "height"), [(40, 12), (200, 50), (20, 4)])
def test_it_keeps_within_the_window(width: int, height: int) -> None:
    console = _terminal(width, height)
    live = LiveReporter(OUTLOOK, console)
    live._cells = 2
    live.job_started(JOBS["b"], CELLS[1])
    live.progress(JOBS["b"], 1, 8)
    for _ in range(30):
        live._records.append(_record(CELLS[1], 0.5))
    live._count()
    shown = _frame(live, console)
    assert all(len(line) <= min(width, 79) for line in shown.splitlines())
    assert width < 40 or re.search(r" 0\.\d{3}  ", shown)


def test_every_worker_at_work_has_a_line_until_its_job_is_done_or_lost() -> None:
    console = _terminal()
    live = LiveReporter(OUTLOOK, console)
    live.begin(Plan(JOBS, CELLS), {})
    for key, cell, where in (("a", CELLS[0], "box GPU 0 (7)"), ("b", CELLS[1], "box GPU 1 (8)")):
        live.job_started(JOBS[key], cell)
        live.job_placed(JOBS[key], where)
        live.progress(JOBS[key], 4, 8)
    shown = _frame(live, console)
    assert "box GPU 0 (7): stage 1 resnet10t none seed 0: epoch 2/4" in shown
    assert "box GPU 1 (8): stage 1 resnet10t oversample[odd] seed 0: epoch 2/4" in shown
    assert " 50 %" in shown
    live.note("[b]: its worker is gone; it goes on")
    live.job_lost(JOBS["b"], "its worker is gone")
    live.progress(JOBS["b"], 5, 8)  # the last that was heard of it comes late
    assert "GPU 1" not in _frame(live, console)
    assert " 12 %" in _frame(live, console)  # 5 of 40 expected seconds
    live.job_done(JOBS["a"], JobResult("a", 1.0, 400, 4, (1.0,), 0))
    assert "GPU" not in _frame(live, console)
    live.end()
    assert "[b]: its worker is gone; it goes on" in _drawn(console)


def test_more_jobs_than_the_window_has_rows_are_counted() -> None:
    console = _terminal(height=12)
    live = LiveReporter(OUTLOOK, console)
    for number in range(20):
        live.job_started(dataclasses.replace(JOBS["a"], key=str(number)), CELLS[0])
    shown = _frame(live, console)
    assert "and 18 more jobs at work" in shown
    assert len(shown.splitlines()) < 12


def test_failures_are_counted_and_told() -> None:
    console = _terminal()
    live = LiveReporter(OUTLOOK, console)
    live.begin(Plan(JOBS, CELLS), {})
    failed = dataclasses.replace(_record(CELLS[0], 0.5), status="failed", error="[red]no[/red] memory", stages=())
    live.cell_done(CELLS[0], failed)
    assert "1 failed" in _frame(live, console)
    live.end()
    assert "failed: [red]no[/red] memory" in _drawn(console)


def test_pipes_and_dumb_terminals_get_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(make_reporter(OUTLOOK), PlainReporter)
    assert is_terminal(_terminal())
    monkeypatch.setenv("TERM", "dumb")
    assert not is_terminal(_terminal())


def test_reporters_tell_each_of_everything() -> None:
    heard: list[tuple[str, str]] = []

    class Ear(Reporter):
        def __init__(self, name: str) -> None:
            self._name = name

        def __getattribute__(self, name: str) -> Any:
            if not name.startswith("_"):
                heard.append((object.__getattribute__(self, "_name"), name))
            return object.__getattribute__(self, name)

    both = Reporters([Ear("first"), Ear("second")])
    job, cell = JOBS["a"], CELLS[0]
    both.begin(Plan(JOBS, CELLS), {})
    both.job_started(job, cell)
    both.job_placed(job, "box (7)")
    both.progress(job, 1, 2)
    both.job_said(job, "word")
    both.job_lost(job, "reason")
    both.note("line")
    both.job_done(job, JobResult("a", 1.0, 1, 1, (), 0))
    both.cell_done(cell, _record(cell, 0.5))
    both.end()
    told = [
        "begin", "job_started", "job_placed", "progress", "job_said", "job_lost", "note", "job_done", "cell_done",
        "end",
    ]  # fmt: skip
    assert heard == [(name, event) for event in told for name in ("first", "second")]
