"""The events of a run, one small dataclass each, which executors send to reporters."""

from __future__ import annotations

import dataclasses

from benchmarks.planning.plan import Cell, Job, Plan
from benchmarks.planning.store import JobResult
from benchmarks.records.record import Record


@dataclasses.dataclass(frozen=True)
class RunStarted:
    """The run starts; `stored` holds the records that already exist, by cell key."""

    plan: Plan
    stored: dict[str, Record]


@dataclasses.dataclass(frozen=True)
class JobStarted:
    """A job starts; `cell` is the first cell that needs it."""

    job: Job
    cell: Cell


@dataclasses.dataclass(frozen=True)
class JobPlaced:
    """The job runs on a worker; `where` names its machine, GPU and process."""

    job: Job
    where: str


@dataclasses.dataclass(frozen=True)
class JobProgress:
    """`step` of the job's `steps` are done."""

    job: Job
    step: int
    steps: int


@dataclasses.dataclass(frozen=True)
class JobOutput:
    """The job's worker printed `text`."""

    job: Job
    text: str


@dataclasses.dataclass(frozen=True)
class JobLost:
    """The job stopped before it was done; it is retried or given up."""

    job: Job
    reason: str


@dataclasses.dataclass(frozen=True)
class JobDone:
    """A job is done."""

    job: Job
    result: JobResult


@dataclasses.dataclass(frozen=True)
class CellDone:
    """A cell has its record, done or failed."""

    cell: Cell
    record: Record


@dataclasses.dataclass(frozen=True)
class Note:
    """A line that the user should read."""

    line: str


@dataclasses.dataclass(frozen=True)
class RunEnded:
    """The run has ended, normally or by an error."""


Event = (
    RunStarted | JobStarted | JobPlaced | JobProgress | JobOutput | JobLost | JobDone | CellDone | Note | RunEnded
)  # fmt: skip
