"""One log file per job, `<out>/.work/logs/<key>.log`: where and when it ran, what it printed, how it ended."""

from __future__ import annotations

import contextlib
import datetime
from pathlib import Path

from benchmarks.planning.plan import Job
from benchmarks.progress.events import Event, JobDone, JobLost, JobOutput, JobPlaced, JobStarted
from benchmarks.progress.reporter import describe


class JobLogs:
    """Appends events to the jobs' files; a line that cannot be written (a full disk) does not end the run."""

    def __init__(self, work: Path) -> None:
        """Write below `work`, an output folder's `.work`."""
        self._folder = work / "logs"

    def tell(self, event: Event) -> None:
        """Append the event to its job's file."""
        match event:
            case JobStarted(job, cell):
                self._line(job, f"{describe(job)}, epochs {job.start} to {job.end}, for {cell.name}")
            case JobPlaced(job, where):
                self._line(job, f"on {where}")
            case JobOutput(job, text):
                self._append(job, text)
            case JobLost(job, reason):
                self._line(job, f"stopped: {reason}")
            case JobDone(job, result):
                self._line(job, f"done: {result.epochs} epochs, {result.images} images, {result.seconds:.1f} s")

    def _line(self, job: Job, text: str) -> None:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._append(job, f"{now} {text}\n")

    def _append(self, job: Job, text: str) -> None:
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            with open(self._folder / f"{job.key}.log", "a", encoding="utf-8", errors="replace") as file:
                file.write(text)
