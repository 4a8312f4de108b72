"""The live display on a terminal of a given size, drawn into memory, and when plain lines are used instead."""

from __future__ import annotations

import dataclasses
import io
import re
import time
from collections.abc import Callable

import pytest
from rich.console import Console
from rich.text import Text

from benchmarks.planning.estimate import Outlook
from benchmarks.planning.plan import Cell, Plan
from benchmarks.planning.store import JobResult
from benchmarks.progress.display import LiveReporter, is_terminal, make_reporter
from benchmarks.progress.events import (
    CellDone,
    Event,
    JobDone,
    JobLost,
    JobOutput,
    JobPlaced,
    JobProgress,
    JobStarted,
    Note,
    RunEnded,
    RunStarted,
)  # fmt: skip
from benchmarks.progress.reporter import PlainReporter, Reporters
from benchmarks.records.record import Record
from tests.leaderboard.make import record, stage_result
from tests.making import plain_job

SHOW_CURSOR = "\x1b[?25h"
JOBS = {
    key: plain_job(key, "resnet10t", strategy, epochs=4) for key, strategy in (("a", "none"), ("b", "oversample[odd]"))
}
CELLS = tuple(Cell(j.backbone, j.strategy, 0, ((j.key,),), f"cell {j.key}") for j in JOBS.values())
OUTLOOK = Outlook({}, frozenset(), tuple(JOBS.values()), {"a": 400, "b": 400}, {"a": 10.0, "b": 30.0}, {})


def _record(cell: Cell, accuracy: float) -> Record:
    stages = (stage_result("head", accuracy=0.9), stage_result("tail", accuracy=accuracy))
    return dataclasses.replace(record(stages), backbone=cell.backbone, strategy=cell.strategy)


def _terminal(width: int = 80, height: int = 24, clock: Callable[[], float] = time.monotonic) -> Console:
    return Console(
        file=io.StringIO(), force_terminal=True, width=width, height=height, highlight=False, no_color=True,
        get_time=clock,
    )  # fmt: skip


def _drawn(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _frame(reporter: LiveReporter, console: Console) -> str:
    with console.capture() as capture:
        console.print(reporter)
    return Text.from_ansi(capture.get()).plain


def _result(key: str) -> JobResult:
    return JobResult(key, 1.0, 400, 4, (1.0,), 0)


def test_a_run_is_shown_with_its_share_its_job_and_its_ranking() -> None:
    now = 0.0
    console = _terminal(clock=lambda: now)
    live = LiveReporter(OUTLOOK, console)
    live.tell(RunStarted(Plan(JOBS, CELLS), {}))
    try:
        live.tell(JobStarted(JOBS["a"], CELLS[0]))
        live.tell(JobProgress(JOBS["a"], 1, 8))
        now = 1.5
        live.tell(JobProgress(JOBS["a"], 4, 8))
        shown = _frame(live, console)
        assert "12 %" in shown  # 5 of 40 expected seconds
        assert "stage 1 resnet10t none seed 0: epoch 2/4, 100 img/s" in shown  # 3/8 of 400 images in 1.5 s
        live.tell(JobDone(JOBS["a"], _result("a")))
        live.tell(CellDone(CELLS[0], _record(CELLS[0], 0.3)))
        live.tell(JobStarted(JOBS["b"], CELLS[1]))
        live.tell(JobDone(JOBS["b"], _result("b")))
        live.tell(CellDone(CELLS[1], _record(CELLS[1], 0.9)))
        shown = _frame(live, console)
        assert "100 %" in shown
        assert "2 of 2 cells" in shown
        assert shown.index("oversample[odd]") < shown.index("none ")
    finally:
        live.tell(RunEnded())
    text = _drawn(console)
    assert "resnet10t | none | seed 0: head" in text
    assert text.rindex(SHOW_CURSOR) > text.rindex("%")


@pytest.mark.parametrize(("width", "height"), [(40, 12), (200, 50), (20, 4)])
def test_it_keeps_within_the_window(width: int, height: int) -> None:
    console = _terminal(width, height)
    live = LiveReporter(OUTLOOK, console)
    live.tell(RunStarted(Plan(JOBS, CELLS), {str(number): _record(CELLS[1], 0.5) for number in range(30)}))
    live.tell(JobStarted(JOBS["b"], CELLS[1]))
    live.tell(JobProgress(JOBS["b"], 1, 8))
    live.tell(RunEnded())
    shown = _frame(live, console)
    assert all(len(line) <= min(width, 79) for line in shown.splitlines())
    assert width < 40 or re.search(r" 0\.\d{3}  ", shown)


def test_every_running_job_has_a_line_until_it_is_done_or_lost() -> None:
    console = _terminal()
    live = LiveReporter(OUTLOOK, console)
    live.tell(RunStarted(Plan(JOBS, CELLS), {}))
    for key, cell, where in (("a", CELLS[0], "box GPU 0 (7)"), ("b", CELLS[1], "box GPU 1 (8)")):
        live.tell(JobStarted(JOBS[key], cell))
        live.tell(JobPlaced(JOBS[key], where))
        live.tell(JobProgress(JOBS[key], 4, 8))
    shown = _frame(live, console)
    assert "box GPU 0 (7): stage 1 resnet10t none seed 0: epoch 2/4" in shown
    assert "box GPU 1 (8): stage 1 resnet10t oversample[odd] seed 0: epoch 2/4" in shown
    assert " 50 %" in shown
    live.tell(Note("[b]: its worker is gone; it goes on"))
    live.tell(JobLost(JOBS["b"], "its worker is gone"))
    live.tell(JobProgress(JOBS["b"], 5, 8))  # a late report of the lost worker
    assert "GPU 1" not in _frame(live, console)
    assert " 12 %" in _frame(live, console)  # 5 of 40 expected seconds
    live.tell(JobDone(JOBS["a"], _result("a")))
    assert "GPU" not in _frame(live, console)
    live.tell(RunEnded())
    assert "[b]: its worker is gone; it goes on" in _drawn(console)


def test_more_jobs_than_the_window_has_rows_are_counted() -> None:
    console = _terminal(height=12)
    live = LiveReporter(OUTLOOK, console)
    for number in range(20):
        live.tell(JobStarted(dataclasses.replace(JOBS["a"], key=str(number)), CELLS[0]))
    shown = _frame(live, console)
    assert "and 18 more jobs at work" in shown
    assert len(shown.splitlines()) < 12


def test_failures_are_counted_and_told() -> None:
    console = _terminal()
    live = LiveReporter(OUTLOOK, console)
    live.tell(RunStarted(Plan(JOBS, CELLS), {}))
    failed = dataclasses.replace(_record(CELLS[0], 0.5), status="failed", error="[red]no[/red] memory", stages=())
    live.tell(CellDone(CELLS[0], failed))
    assert "1 failed" in _frame(live, console)
    live.tell(RunEnded())
    assert "failed: [red]no[/red] memory" in _drawn(console)


def test_pipes_and_dumb_terminals_get_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(make_reporter(OUTLOOK), PlainReporter)
    assert is_terminal(_terminal())
    monkeypatch.setenv("TERM", "dumb")
    assert not is_terminal(_terminal())


def test_reporters_tell_each_of_everything_in_order() -> None:
    heard: list[tuple[str, Event]] = []

    @dataclasses.dataclass
    class Ear:
        name: str

        def tell(self, event: Event) -> None:
            heard.append((self.name, event))

    both = Reporters(Ear("first"), Ear("second"))
    events = [Note("line"), JobOutput(JOBS["a"], "word"), RunEnded()]
    for event in events:
        both.tell(event)
    assert heard == [(name, event) for event in events for name in ("first", "second")]


def test_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    plain = PlainReporter()
    plain.tell(RunStarted(Plan(JOBS, CELLS), {}))
    plain.tell(JobDone(JOBS["a"], JobResult("a", 2.0, 400, 4, (3.0, 1.0), 0)))
    plain.tell(JobDone(JOBS["b"], JobResult("b", 0.0, 0, 0, (), 0)))
    plain.tell(Note("careful"))
    plain.tell(CellDone(CELLS[0], _record(CELLS[0], 0.5)))
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        "2 cells, 2 jobs; done already: 0.",
        "  stage 1 resnet10t none seed 0: 4 epochs, 2.0 s, 200 img/s, loss 1.000",
        "  stage 1 resnet10t oversample[odd] seed 0: no training of its own",
        "  careful",
    ]
    assert re.fullmatch(r"\[1/2, \d+ s\] resnet10t \| none \| seed 0: head top-1 0\.\d+, .*", lines[4])
