"""The live display of a run on a terminal: a progress bar with ETA, the running jobs and the ranking so far.

The frame is at most 79 columns wide, or narrower on a narrow terminal, so that shrinking the window wraps little.
Finished cells and notes scroll by above it; the last frame is erased at the end.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from benchmarks.leaderboard.short import columns
from benchmarks.planning.estimate import Outlook
from benchmarks.planning.plan import Cell, Job
from benchmarks.progress.events import (
    CellDone,
    Event,
    JobDone,
    JobLost,
    JobPlaced,
    JobProgress,
    JobStarted,
    Note,
    RunEnded,
    RunStarted,
)  # fmt: skip
from benchmarks.progress.reporter import PlainReporter, Reporter, describe, outcome, say
from benchmarks.records.ranking import Row, ranking
from benchmarks.records.record import Record

WIDTH = 79
FRAME_ROWS = 9  # height of the frame without the ranking's rows
QUIET_SECONDS = 5.0  # between two progress lines of one task when output is not a terminal


def is_terminal(console: Console) -> bool:
    """Whether the console can redraw: a terminal that is not dumb. (NO_COLOR only switches colours off.)"""
    return console.is_terminal and not console.is_dumb_terminal


def make_reporter(outlook: Outlook) -> Reporter:
    """Return the live display if stdout is a terminal, else the plain reporter."""
    console = Console(highlight=False)
    return LiveReporter(outlook, console) if is_terminal(console) else PlainReporter()


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """Yield `advance(what, done, total)`: one bar per `what` on a terminal, else a line every few seconds."""
    console = Console(highlight=False)
    if not is_terminal(console):
        yield _slow_lines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(30), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bars:
        tasks = {}

        def advance(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)

        yield advance


def _slow_lines() -> Callable[[str, int, int], None]:
    """Return an `advance` that prints a line every `QUIET_SECONDS`, so nothing for a quick task."""
    said: dict[str, float] = {}

    def advance(what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - said.setdefault(what, now) > QUIET_SECONDS:
            said[what] = now
            say(f"{what}: {done} of {total}")

    return advance


@dataclasses.dataclass
class _RunningJob:
    """A running job: its text, where it runs, the expected `seconds` done so far, its `first` report (time, step)."""

    text: str
    where: str = ""
    seconds: float = 0.0
    first: tuple[float, int] | None = None


class LiveReporter:
    """Redraws itself four times a second until `RunEnded`; every finished cell also leaves a line above.

    It is a rich renderable: `console.print(reporter)` prints the current frame. Time comes from the console's clock.
    """

    def __init__(self, outlook: Outlook, console: Console) -> None:
        """Measure progress by the expected seconds of `outlook`."""
        self._console = console
        self._seconds, self._images = outlook.seconds, outlook.images
        columns = (
            BarColumn(24), TextColumn("{task.percentage:3.0f} %  {task.fields[cells]}"),
            TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
        )  # fmt: skip
        self._bar = Progress(*columns, console=console, speed_estimate_period=120.0)
        self._task = self._bar.add_task("", total=sum(self._seconds.values()) or 1.0, cells="")
        self._records: list[Record] = []
        self._rows: list[Row] = []
        self._spent, self._failed, self._cells = 0.0, 0, 0
        self._running: dict[str, _RunningJob] = {}
        # last: Live draws a first frame in its constructor
        self._live = Live(self, console=console, refresh_per_second=4, transient=True)

    def tell(self, event: Event) -> None:
        """Update what is shown."""
        match event:
            case RunStarted(plan, stored):
                self._cells = len(plan.cells)
                self._records = list(stored.values())
                self._rank()
                self._live.start()
            case JobStarted(job):
                self._running[job.key] = _RunningJob(describe(job))
            case JobPlaced(job, where):
                self._running[job.key].where = f"{where}: "
            case JobProgress(job, step, steps) if job.key in self._running:  # a lost worker may still report
                self._advance(job, step, steps)
            case JobLost(job):
                self._running.pop(job.key, None)
                self._move_bar()
            case JobDone(job):
                self._running.pop(job.key, None)
                self._spent += self._seconds.get(job.key, 0.0)
                self._move_bar()
            case CellDone(cell, record):
                self._finish(cell, record)
            case Note(line):
                self._console.print(Text(line))
            case RunEnded():
                self._live.stop()

    def _advance(self, job: Job, step: int, steps: int) -> None:
        """Update the job's line; its rate counts the steps of this process, not those before an interruption."""
        running = self._running[job.key]
        now = self._console.get_time()
        running.first = running.first or (now, step)
        images, elapsed = self._images.get(job.key, 0) * (step - running.first[1]) / steps, now - running.first[0]
        epoch = job.start + min(job.epochs, 1 + (step - 1) * job.epochs // steps)
        rate = f", {images / elapsed:.0f} img/s" if elapsed > 1 else ""
        running.text = f"{describe(job)}: epoch {epoch}/{job.end}{rate}"
        running.seconds = self._seconds.get(job.key, 0.0) * step / steps
        self._move_bar()

    def _move_bar(self) -> None:
        """Move the bar to the expected seconds of all finished work."""
        done = self._spent + sum(running.seconds for running in self._running.values())
        self._bar.update(self._task, completed=done)

    def _finish(self, cell: Cell, record: Record) -> None:
        """Print the cell's line and update the ranking."""
        self._failed += record.status == "failed"
        self._records.append(record)
        self._rank()
        style = "red" if record.status == "failed" else ""
        self._console.print(Text(f"{cell.name}: {outcome(record)}", style=style))

    def _rank(self) -> None:
        """Recompute the ranking and the count of cells."""
        self._rows = ranking(self._records)
        failed = f", {self._failed} failed" if self._failed else ""
        self._bar.update(self._task, cells=f"{len(self._records)} of {self._cells} cells{failed}")

    def __rich__(self) -> RenderableType:
        """Return the current frame, cut to the window."""
        width = min(WIDTH, self._console.width - 1)
        lines = [f"{running.where}{running.text}" for running in self._running.values()] or [""]
        most = max(1, self._console.height - FRAME_ROWS)
        if len(lines) > most:
            lines = [*lines[: most - 1], f"and {len(lines) - most + 1} more jobs at work"]
        parts: list[RenderableType] = [self._bar]
        for text in lines:
            line = Text(text, no_wrap=True, overflow="ellipsis")
            line.truncate(width)
            parts.append(line)
        shown = self._rows[: max(0, self._console.height - FRAME_ROWS - len(lines) + 1)]
        if shown:
            parts.append(_table(shown, width))
        return Group(*parts)


def _table(rows: list[Row], width: int) -> Table:
    table = Table(box=None, width=width, pad_edge=False)
    shown = columns(rows[0], overall=False)
    for column in shown:
        # on a narrow terminal names are shortened before numbers
        name = column.left
        table.add_column(column.header, no_wrap=True, min_width=0 if name else 5, justify="left" if name else "right")
    for cells in zip(*(column.texts(rows) for column in shown), strict=True):
        table.add_row(*map(Text, cells))  # Text: brackets in a name are not markup
    return table
