"""A file per job, `<out>/.work/logs/<key>.log`: where it ran and when, what it printed, what became of it."""

from __future__ import annotations

import contextlib
import datetime
from pathlib import Path

from benchmarks.planning.plan import Cell, Job
from benchmarks.planning.store import JobResult
from benchmarks.progress.reporter import Reporter, describe


def logs(work: Path) -> Path:
    """Return the folder of the logs in an output folder's `.work`."""
    return work / "logs"


class JobLogs(Reporter):
    """Appends to the jobs' files; a line that cannot be written (a full disk) is no reason to end a run."""

    def __init__(self, work: Path) -> None:
        """Write below `work`, an output folder's `.work`."""
        self._folder = logs(work)

    def job_started(self, job: Job, cell: Cell) -> None:
        """Say what it is."""
        self._line(job, f"{describe(job)}, epochs {job.start} to {job.end}, for {cell.name}")

    def job_placed(self, job: Job, where: str) -> None:
        """Say where it runs."""
        self._line(job, f"on {where}")

    def job_said(self, job: Job, text: str) -> None:
        """Keep what it printed, as it is."""
        self._append(job, text)

    def job_lost(self, job: Job, reason: str) -> None:
        """Say why it stopped."""
        self._line(job, f"stopped: {reason}")

    def job_done(self, job: Job, result: JobResult) -> None:
        """Say how it ended."""
        self._line(job, f"done: {result.epochs} epochs, {result.images} images, {result.seconds:.1f} s")

    def _line(self, job: Job, text: str) -> None:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._append(job, f"{now} {text}\n")

    def _append(self, job: Job, text: str) -> None:
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            with open(self._folder / f"{job.key}.log", "a", encoding="utf-8", errors="replace") as file:
                file.write(text)
