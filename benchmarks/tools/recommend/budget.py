"""The budget of a recommendation: "30m" to seconds, and the deadline of a search."""

from __future__ import annotations

import re
import time

from benchmarks.progress.events import CellDone, Event
from benchmarks.support.errors import UserError, one_line

SECONDS_OF = {"h": 3600.0, "m": 60.0, "s": 1.0}
MOST_SECONDS = 1e7
_TEXT = re.compile(r"(?=\d)(?:([\d.]+)h)?(?:([\d.]+)m)?(?:([\d.]+)s)?", re.ASCII)


def seconds_of(text: str) -> float:
    """Return the seconds in "30m", "2h", "90s" or "1h30m". Raises UserError for anything else or outside (0, 1e7]."""
    wrong = UserError(f"--budget {one_line(text)} is no time; write it as 30m, 2h, 90s or 1h30m.")
    found = _TEXT.fullmatch(text.strip().lower())
    if not found:
        raise wrong
    try:
        seconds = sum(
            float(number) * SECONDS_OF[unit] for number, unit in zip(found.groups(), "hms", strict=True) if number
        )
    except ValueError:
        raise wrong from None
    if not 0 < seconds <= MOST_SECONDS:
        raise UserError(
            f"--budget {one_line(text)} is out of range; give more than 0 s and at most {MOST_SECONDS:.0f} s."
        )
    return seconds


class TimeIsUp(Exception):
    """The budget is spent."""


class Deadline:
    """A reporter that ends a run at the first cell that is done after `at`, on the clock of `time.monotonic`."""

    def __init__(self, at: float) -> None:
        """Let the run go on until `at`."""
        self._at = at

    def tell(self, event: Event) -> None:
        """Raise TimeIsUp if a cell finishes, with its record written, after the deadline."""
        if isinstance(event, CellDone) and time.monotonic() > self._at:
            raise TimeIsUp
