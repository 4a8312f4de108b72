"""A worker's updates on its job, and one attempt at a job."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import io
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from benchmarks.planning.plan import Job
from benchmarks.support.disk import DiskFull
from benchmarks.support.gpu_errors import device_lost

if TYPE_CHECKING:
    from benchmarks.running.context import RunContext

Files = Mapping[str, bytes]  # path below `.work` -> content


@dataclasses.dataclass(frozen=True)
class WorkerInfo:
    """Where a worker runs: `where` is for display; `shares`: it can see the output folder."""

    where: str
    shares: bool


@dataclasses.dataclass(frozen=True)
class JobUpdate:
    """Progress of a job since its previous update: `step` of `steps`, printed text, notes, and files to store.

    The last update has `ended` set. If the job failed, `error` is the reason and `trace` the traceback; `may_retry`
    says that another attempt may succeed (out of memory, a `damaged` state, a GPU that is `lost` to this process).
    `full`: the output folder's disk is full.
    `keeps`: the job's checkpoints are still useful.
    """

    step: int = 0
    steps: int = 0
    said: str = ""
    notes: tuple[str, ...] = ()
    files: Files = dataclasses.field(default_factory=dict)
    ended: bool = False
    error: str | None = None
    trace: str = ""
    may_retry: bool = False
    damaged: bool = False
    lost: bool = False
    full: bool = False
    keeps: bool = True


@dataclasses.dataclass(frozen=True)
class WorkerLost:
    """A worker died: the `reason`, whether it `began` its job, the stacks that it wrote, the signal if one is known."""

    reason: str
    began: bool = True
    trace: str = ""
    signal: int = 0


class Said(io.TextIOBase):
    """A text stream that one thread writes and another one drains."""

    def __init__(self) -> None:
        """Start empty."""
        self._parts: collections.deque[str] = collections.deque()

    def write(self, text: str) -> int:
        """Store the text and return its length."""
        self._parts.append(text)
        return len(text)

    def line(self, text: str) -> None:
        """Store the text as one line."""
        self.write(f"{' '.join(text.split())}\n")

    def drain(self) -> str:
        """Return and forget what was written since the last call."""
        return "".join(self._parts.popleft() for _ in range(len(self._parts)))


def attempt(
    context: RunContext, job: Job, on_step: Callable[[int, int], None], said: Said, notes: Said, *, shares: bool = True
) -> JobUpdate:
    """Train `job`, and return how it ended; `said` gets what it prints, `notes` gets lines for the user.

    `shares`: it writes into the run's output folder, whose disk may be full. Raises nothing.
    """
    from benchmarks.running.attempts import worth_another
    from benchmarks.running.cells import reason_of
    from benchmarks.running.job import run_job
    from benchmarks.training.checkpoint import CheckpointError

    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            run_job(context, job, on_step, notes.line)
    except BaseException as error:  # the driver must learn of any failure
        full = isinstance(error, DiskFull) and shares
        return JobUpdate(
            ended=True, error=str(error) if full else reason_of(error), trace=traceback.format_exc(),
            may_retry=worth_another(error), damaged=isinstance(error, CheckpointError), lost=device_lost(error),
            full=full,
        )  # fmt: skip
    return JobUpdate(ended=True)
