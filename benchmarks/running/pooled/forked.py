"""Workers that are forks of this process: they share its images, features and libraries, and start at once.

Each fork is made in a new thread, the only one that survives in the worker. That thread has never used OpenMP, so the
worker starts its own OpenMP threads instead of waiting for this process's, which do not exist after a fork.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import json
import os
import queue
import select
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

from benchmarks.planning.plan import Job, Plan
from benchmarks.running.context import RunContext
from benchmarks.running.pooled.updates import Files, JobUpdate, Said, WorkerInfo, WorkerLost, attempt
from benchmarks.running.supervised import STACK_SECONDS, read_stacks, signal_name, write_stacks
from benchmarks.support.errors import UserError
from benchmarks.support.threads import use_threads

UPDATE_SECONDS = 0.2
MOST_BROKEN = 3  # workers that ended without a job, one after another


@dataclasses.dataclass(eq=False)
class ForkedWorker:
    """One worker: its process `pid`, the pipes of its `orders` and `news`, the file of its `stacks`, and its `job`.

    `since`: when it got the job (monotonic seconds). `began`: whether an update of the job has arrived.
    """

    orders: int
    news: int
    stacks: Path
    pid: int = 0
    info: WorkerInfo | None = None
    job: Job | None = None
    since: float = 0.0
    began: bool = False
    heard: bytes = b""

    def close(self) -> None:
        """Close this process's ends of the pipes; the worker exits when its orders end."""
        os.close(self.orders)
        os.close(self.news)


class ForkedPool:
    """A pool of at most `most` workers with `threads` CPU threads each; each worker first calls `leave`."""

    def __init__(
        self, plan: Plan, context: RunContext, most: int, threads: int, leave: Callable[[], None] = lambda: None
    ) -> None:
        """Start with no worker."""
        self._plan, self._context, self._most, self._threads, self._leave = plan, context, most, threads, leave
        self._workers: list[ForkedWorker] = []
        self._broken = 0

    @property
    def up(self) -> int:
        """The number of workers that are running."""
        return len(self._workers)

    def hire(self, wanted: int) -> None:
        """Start workers up to `wanted` or the maximum. Raises UserError if several in a row ended without a job."""
        if self._broken >= MOST_BROKEN:
            raise UserError(f"{self._broken} processes that train jobs side by side ended at once; add --jobs 1.")
        while len(self._workers) < min(wanted, self._most):
            thread = threading.Thread(target=self._fork)
            thread.start()
            thread.join()

    def idle(self) -> list[ForkedWorker]:
        """Return the workers without a job."""
        return [worker for worker in self._workers if not worker.job]

    def busy(self) -> list[ForkedWorker]:
        """Return the workers that have a job."""
        return [worker for worker in self._workers if worker.job]

    def start(self, worker: ForkedWorker, job: Job, files: Files) -> None:
        """Start training `job` on an idle worker."""
        worker.job, worker.since, worker.began = job, time.monotonic(), False
        with contextlib.suppress(BrokenPipeError):  # the worker has died; `updates` reports it
            os.write(worker.orders, f"{job.key}\n".encode())

    def updates(self, seconds: float) -> Iterator[tuple[ForkedWorker, JobUpdate | WorkerLost]]:
        """Wait up to `seconds` for a message, and yield the updates of workers with a job."""
        ready, _, _ = select.select([worker.news for worker in self._workers], [], [], seconds)
        for worker in [worker for worker in self._workers if worker.news in ready]:
            if worker not in self._workers:  # dismissed while another worker's update was handled
                continue
            heard = os.read(worker.news, 1 << 20)
            if not heard:
                lost = self._lost(worker)
                if worker.job:
                    yield worker, lost
                continue
            *lines, worker.heard = (worker.heard + heard).split(b"\n")
            worker.began, self._broken = True, 0
            for line in lines:
                said: dict[str, Any] = json.loads(line)
                yield worker, JobUpdate(**{**said, "notes": tuple(said["notes"])})

    def free(self, worker: ForkedWorker) -> None:
        """Mark the worker as idle: its job has ended."""
        worker.job = None

    def dismiss(self, *workers: ForkedWorker) -> None:
        """Kill these workers."""
        for worker in workers:
            if worker in self._workers:
                os.kill(worker.pid, signal.SIGKILL)
                self._end(worker)

    def end_late(self, worker: ForkedWorker) -> str:
        """Let the worker write its stacks, kill it, and return them."""
        os.kill(worker.pid, signal.SIGUSR1)
        time.sleep(STACK_SECONDS)
        self.dismiss(worker)
        return read_stacks(worker.stacks)

    def end(self) -> None:
        """Kill all workers."""
        self.dismiss(*self._workers)

    def _lost(self, worker: ForkedWorker) -> WorkerLost:
        """Remove a worker that ended by itself, and return how it ended."""
        code = self._end(worker)
        self._broken += not worker.job
        number = max(0, -code)
        reason = f"its process was killed by {signal_name(number)}" if number else f"its process ended with {code}"
        return WorkerLost(reason, worker.began, read_stacks(worker.stacks), number)

    def _end(self, worker: ForkedWorker) -> int:
        """Remove a worker that has ended or is about to; return its exit code, or minus its signal."""
        self._workers.remove(worker)
        worker.close()
        return os.waitstatus_to_exitcode(os.waitpid(worker.pid, 0)[1])

    def _fork(self) -> None:
        """Start a worker."""
        numbers = {worker.stacks.name for worker in self._workers}
        name = next(f"stacks-{n}.txt" for n in range(1, self._most + 1) if f"stacks-{n}.txt" not in numbers)
        (taken, orders), (news, told) = os.pipe(), os.pipe()
        worker = ForkedWorker(orders, news, self._context.store.work / name)
        with warnings.catch_warnings():  # Python 3.12 warns of forks of processes with threads
            warnings.simplefilter("ignore", DeprecationWarning)
            worker.pid = os.fork()
        if not worker.pid:
            for other in (*self._workers, worker):  # a pipe ends when nobody holds its other end
                other.close()
            self._become(worker, taken, told)
        os.close(taken)
        os.close(told)
        worker.info = WorkerInfo("", shares=True)
        self._workers.append(worker)

    def _become(self, worker: ForkedWorker, taken: int, told: int) -> NoReturn:
        """In the worker process: train jobs until the orders end."""
        try:
            for number in (signal.SIGINT, signal.SIGTERM):  # the driver ends its workers
                signal.signal(number, signal.SIG_IGN)
            self._leave()
            gc.freeze()  # garbage collection then skips the objects inherited from the driver
            with contextlib.suppress(OSError):  # a full disk
                write_stacks(worker.stacks)
            use_threads(self._threads)
            orders: queue.SimpleQueue[str] = queue.SimpleQueue()
            threading.Thread(target=_take, args=(os.fdopen(taken), orders), daemon=True).start()
            with os.fdopen(told, "w") as news:
                while True:
                    _train(self._context, self._plan.jobs[orders.get()], news)
                    gc.collect()
        finally:
            os._exit(1)


def _take(lines: IO[str], orders: queue.SimpleQueue[str]) -> None:
    """Queue incoming job keys; kill this process once the driver closes its end of the pipe or dies."""
    for line in lines:
        orders.put(line.strip())
    os.kill(os.getpid(), signal.SIGKILL)


def _train(context: RunContext, job: Job, news: IO[str]) -> None:
    """Train `job`, and write its updates to `news`, one line of JSON each."""
    said, notes, at, last = Said(), Said(), [0, 0], [0.0]

    def tell(update: JobUpdate) -> None:
        """Write the update, with what was printed since the last one."""
        lines = tuple(notes.drain().splitlines())
        now = dataclasses.replace(update, step=at[0], steps=at[1], said=said.drain(), notes=lines)
        print(json.dumps(dataclasses.asdict(now)), file=news, flush=True)

    def on_step(step: int, steps: int) -> None:
        """Note the step, and send an update unless one was sent in the last `UPDATE_SECONDS`."""
        at[:] = step, steps
        if time.monotonic() - last[0] > UPDATE_SECONDS:
            last[0] = time.monotonic()
            tell(JobUpdate())

    tell(JobUpdate())  # the job has begun
    ended = attempt(context, job, on_step, said, notes)
    tell(dataclasses.replace(ended, keeps=context.store.checkpoint(job.key).exists()))
