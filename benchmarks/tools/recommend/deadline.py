"""The end of a search's time, between two cells: what is finished by then is kept."""

from __future__ import annotations

import time

from benchmarks.progress.events import CellDone, Event


class TimeIsUp(Exception):
    """The budget is spent."""


class Deadline:
    """A reporter that ends a run at the first cell that is done after `at`, on the clock of `time.monotonic`."""

    def __init__(self, at: float) -> None:
        """Let the run go on until `at`."""
        self._at = at

    def tell(self, event: Event) -> None:
        """Raise TimeIsUp where a cell is done and its record written too late for another one."""
        if isinstance(event, CellDone) and time.monotonic() > self._at:
            raise TimeIsUp
