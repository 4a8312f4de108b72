"""Which jobs of a plan may start, and in which order: longest remaining path first."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from benchmarks.planning.plan import Cell, Job, Plan


def needs(job: Job) -> tuple[str, ...]:
    """Return the keys of the jobs that `job` starts from."""
    return (job.parent,) if job.parent else ()


def ancestors(plan: Plan, job: Job) -> list[str]:
    """Return the keys of all jobs that `job` starts from, directly or through others."""
    found = list(needs(job))
    for key in found:
        found.extend(needs(plan.jobs[key]))
    return found


def paths(jobs: Mapping[str, Job], seconds: Mapping[str, float]) -> dict[str, float]:
    """Return, per job, the seconds of the longest path from its start to the end of the last job that needs it.

    `jobs` are in order, parents first. A job that is not in `seconds` is done and takes no time.
    """
    longest: dict[str, float] = {}
    after: dict[str, float] = {}
    for key, job in reversed(list(jobs.items())):
        longest[key] = seconds.get(key, 0.0) + after.get(key, 0.0)
        for parent in needs(job):
            after[parent] = max(after.get(parent, 0.0), longest[key])
    return longest


class Graph:
    """The unfinished jobs of a run.

    `take` a job that is `ready`, then call `done`, `again` (to start it once more) or `fail` (which also gives up the
    jobs that need it). `settled` yields the cells for which no job is left.
    """

    def __init__(
        self, plan: Plan, cells: Collection[Cell], todo: Collection[Job], seconds: Mapping[str, float]
    ) -> None:
        """`cells`: those to finish; `todo`: the jobs they wait for; `seconds`: see `expect`."""
        self._plan = plan
        self._place = {key: place for place, key in enumerate(plan.jobs)}
        self._open = {job.key for job in todo}  # neither done nor failed
        self._taken: set[str] = set()
        self.expect(seconds)
        self._cells = list(cells)
        self.failed: dict[str, str] = {}  # job -> reason

    def expect(self, seconds: Mapping[str, float]) -> None:
        """Reorder jobs by updated expected `seconds`; a job without an entry takes no time."""
        self._paths = paths(self._plan.jobs, seconds)

    @property
    def open(self) -> int:
        """How many jobs are neither done nor failed."""
        return len(self._open)

    def is_open(self, key: str) -> bool:
        """Whether the job is neither done nor failed."""
        return key in self._open

    def ready(self) -> list[Job]:
        """Return the jobs that may start, longest remaining path first, ties in the plan's order."""
        free = [
            self._plan.jobs[key]
            for key in self._open - self._taken
            if not self._open.intersection(needs(self._plan.jobs[key]))
        ]
        return sorted(free, key=lambda job: (-self._paths[job.key], self._place[job.key]))

    def take(self, job: Job) -> None:
        """Mark the job as started."""
        self._taken.add(job.key)

    def again(self, job: Job) -> None:
        """Let a job that did not finish start once more."""
        self._taken.discard(job.key)

    def reopen(self, jobs: Collection[Job]) -> None:
        """Add finished jobs whose files are gone."""
        lost = {job.key for job in jobs} - self._open  # open jobs are running, or will be
        self._open |= lost
        self._taken -= lost

    def done(self, job: Job) -> None:
        """Mark the job as done."""
        self._open.discard(job.key)

    def fail(self, job: Job, reason: str) -> None:
        """Give up the job for `reason`, with all jobs that need it."""
        self.failed[job.key] = reason
        self._open.discard(job.key)
        for key, other in self._plan.jobs.items():  # parents come first
            if key in self._open and any(need in self.failed for need in needs(other)):
                self.failed[key] = next(self.failed[need] for need in needs(other) if need in self.failed)
                self._open.discard(key)

    def settled(self) -> Iterator[tuple[Cell, str | None]]:
        """Yield each cell once when none of its jobs is open any more, with the reason if one has failed."""
        waiting = []
        for cell in self._cells:
            keys = cell.needed
            reasons = [self.failed[key] for key in keys if key in self.failed]
            if reasons or not self._open.intersection(keys):
                yield cell, reasons[0] if reasons else None
            else:
                waiting.append(cell)
        self._cells = waiting
