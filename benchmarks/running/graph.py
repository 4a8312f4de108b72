"""Which jobs of a plan may start, and which of them first: those at the head of the longest path that is left."""

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

    `jobs` are in order, parents first. A job that `seconds` does not name takes no time: it is done.
    """
    longest: dict[str, float] = {}
    after: dict[str, float] = {}
    for key, job in reversed(list(jobs.items())):
        longest[key] = seconds.get(key, 0.0) + after.get(key, 0.0)
        for parent in needs(job):
            after[parent] = max(after.get(parent, 0.0), longest[key])
    return longest


class Graph:
    """The jobs that are still to do: `take` one that may start, then say whether it is `done`, to be done `again`, or
    has `failed`, with those that start from it. `settled` gives the cells for which nothing is left to do."""

    def __init__(
        self, plan: Plan, cells: Collection[Cell], todo: Collection[Job], seconds: Mapping[str, float]
    ) -> None:
        """`cells`: those to finish; `todo`: the jobs they wait for; `seconds`: see `expect`."""
        self._plan = plan
        self._open = {job.key for job in todo}  # neither done nor failed
        self._taken: set[str] = set()
        self.expect(seconds)
        self._cells = list(cells)
        self.failed: dict[str, str] = {}  # job -> reason

    def expect(self, seconds: Mapping[str, float]) -> None:
        """Order by what each job is now expected to take; those that are not named take no time."""
        self._paths = paths(self._plan.jobs, seconds)

    @property
    def open(self) -> int:
        """How many jobs are neither done nor failed."""
        return len(self._open)

    def is_open(self, key: str) -> bool:
        """Whether the job is neither done nor failed."""
        return key in self._open

    def ready(self) -> list[Job]:
        """Return the jobs that may start, the most urgent one first."""
        free = [
            self._plan.jobs[key]
            for key in self._open - self._taken
            if not self._open.intersection(needs(self._plan.jobs[key]))
        ]
        return sorted(free, key=lambda job: (-self._paths[job.key], job.key))

    def take(self, job: Job) -> None:
        """The job starts."""
        self._taken.add(job.key)

    def again(self, job: Job) -> None:
        """The job did not end: it may start once more."""
        self._taken.discard(job.key)

    def reopen(self, jobs: Collection[Job]) -> None:
        """What these jobs left is not there any more: they are to be done once more."""
        lost = {job.key for job in jobs} - self._open  # what is open is at work already, or will be
        self._open |= lost
        self._taken -= lost

    def done(self, job: Job) -> None:
        """The job is done."""
        self._open.discard(job.key)

    def fail(self, job: Job, reason: str) -> None:
        """The job has failed for `reason`, and with it all that would start from it."""
        self.failed[job.key] = reason
        self._open.discard(job.key)
        for key, other in self._plan.jobs.items():  # parents come first
            if key in self._open and any(need in self.failed for need in needs(other)):
                self.failed[key] = next(self.failed[need] for need in needs(other) if need in self.failed)
                self._open.discard(key)

    def settled(self) -> Iterator[tuple[Cell, str | None]]:
        """Yield, once, each cell of whose jobs none is open any more, and the reason where one has failed."""
        waiting = []
        for cell in self._cells:
            keys = cell.needed
            reasons = [self.failed[key] for key in keys if key in self.failed]
            if reasons or not self._open.intersection(keys):
                yield cell, reasons[0] if reasons else None
            else:
                waiting.append(cell)
        self._cells = waiting

    def first_cell(self, job: Job) -> Cell:
        """Return the first cell that needs the job."""
        return self._plan.first_user[job.key]
