"""What a run looks like on a terminal: a bar with ETA, the job at work, the ranking so far; lines scroll by above it.

Everything is drawn within 79 columns, or fewer where the terminal is narrower, so that making the window smaller
wraps little; the last frame is erased at the end, and what scrolled by stays.
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

from benchmarks.planning.estimate import Outlook
from benchmarks.planning.plan import Cell, Job, Plan
from benchmarks.planning.store import JobResult
from benchmarks.progress.reporter import PlainReporter, Reporter, describe, outcome, say
from benchmarks.records.ranking import Row, cells, headers, ranking
from benchmarks.records.record import Record

WIDTH = 79
FRAME_ROWS = 9  # of the display without the ranking's rows
QUIET_SECONDS = 5.0  # between two lines about the same thing, where output is no terminal


def is_terminal(console: Console) -> bool:
    """Whether the console can redraw: a terminal, and not a dumb one. (NO_COLOR only takes the colours away.)"""
    return console.is_terminal and not console.is_dumb_terminal


def make_reporter(outlook: Outlook) -> Reporter:
    """Return the live display where standard output is a terminal, plain lines otherwise."""
    console = Console(highlight=False)
    return LiveReporter(outlook, console) if is_terminal(console) else PlainReporter()


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """Give `advance(what, done, total)`: a bar per `what` on a terminal, elsewhere a line every few seconds."""
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
    """Return an `advance` that prints, but nothing for what is quick."""
    said: dict[str, float] = {}

    def advance(what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - said.setdefault(what, now) > QUIET_SECONDS:
            said[what] = now
            say(f"{what}: {done} of {total}")

    return advance


@dataclasses.dataclass
class _AtWork:
    """A job at work: its line, `where`, its expected `seconds` that are done, `first` heard of (time, step)."""

    line: str
    where: str = ""
    seconds: float = 0.0
    first: tuple[float, int] | None = None


class LiveReporter(Reporter):
    """Redraws itself four times a second until `end`; every finished cell also leaves a line above."""

    def __init__(self, outlook: Outlook, console: Console) -> None:
        """Measure progress by the outlook's expected seconds."""
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
        self._at_work: dict[str, _AtWork] = {}
        # last: it draws a first frame at once
        self._live = Live(console=console, get_renderable=self._frame, refresh_per_second=4, transient=True)

    def begin(self, plan: Plan, stored: dict[str, Record]) -> None:
        """Start drawing."""
        self._cells = len(plan.cells)
        self._records = list(stored.values())
        self._count()
        self._live.start()

    def job_started(self, job: Job, cell: Cell) -> None:
        """Name the job at work."""
        self._at_work[job.key] = _AtWork(describe(job))

    def job_placed(self, job: Job, where: str) -> None:
        """Say where it is at work."""
        self._at_work[job.key].where = f"{where}: "

    def progress(self, job: Job, step: int, steps: int) -> None:
        """Move the bar; the rate is that of this process, not of a run that was interrupted before."""
        at = self._at_work.get(job.key)
        if at is None:  # it was lost; this is the last that its worker had to tell
            return
        now = time.monotonic()
        at.first = at.first or (now, step)
        images, elapsed = self._images.get(job.key, 0) * (step - at.first[1]) / steps, now - at.first[0]
        epoch = job.start + min(job.epochs, 1 + (step - 1) * job.epochs // steps)
        rate = f", {images / elapsed:.0f} img/s" if elapsed > 1 else ""
        at.line = f"{describe(job)}: epoch {epoch}/{job.end}{rate}"
        at.seconds = self._seconds.get(job.key, 0.0) * step / steps
        self._move()

    def job_lost(self, job: Job, reason: str) -> None:
        """It is not at work any more."""
        self._at_work.pop(job.key, None)
        self._move()

    def job_done(self, job: Job, result: JobResult) -> None:
        """Count the job as done."""
        self._at_work.pop(job.key, None)
        self._spent += self._seconds.get(job.key, 0.0)
        self._move()

    def _move(self) -> None:
        """Move the bar to the expected seconds of what is done."""
        done = self._spent + sum(at.seconds for at in self._at_work.values())
        self._bar.update(self._task, completed=done)

    def cell_done(self, cell: Cell, record: Record) -> None:
        """Leave a line, and rank anew."""
        self._failed += record.status == "failed"
        self._records.append(record)
        self._count()
        style = "red" if record.status == "failed" else ""
        self._console.print(Text(f"{cell.name}: {outcome(record)}", style=style))

    def note(self, line: str) -> None:
        """Leave the line."""
        self._console.print(Text(line))

    def end(self) -> None:
        """Erase the display and give the terminal back."""
        self._live.stop()

    def _count(self) -> None:
        self._rows = ranking(self._records)
        failed = f", {self._failed} failed" if self._failed else ""
        self._bar.update(self._task, cells=f"{len(self._records)} of {self._cells} cells{failed}")

    def _frame(self) -> RenderableType:
        """Return what is drawn now, cut to the window."""
        width = min(WIDTH, self._console.width - 1)
        lines = [f"{at.where}{at.line}" for at in self._at_work.values()] or [""]
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
    for index, header in enumerate(headers(rows[0], overall=False)):
        # names give way before numbers do
        table.add_column(
            header, no_wrap=True, min_width=0 if index < 2 else 5, justify="left" if index < 2 else "right"
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in cells(row, overall=False)))  # Text: brackets in a name are no markup
    return table
