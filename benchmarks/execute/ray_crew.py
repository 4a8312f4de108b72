"""The workers of a run on Ray, as its driver sees them: Ray places and starts them, this tells them what to train."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import ray

from benchmarks.errors import UserError
from benchmarks.execute.ray_cluster import Share
from benchmarks.execute.ray_worker import About, Files, News, Outfit, Worker
from benchmarks.plan import Job

MOST_PENDING = 256
MOST_BROKEN = 3
PATIENCE_SECONDS = 600.0  # for a worker to come up while others fail: a cluster grows, a node is replaced


@dataclasses.dataclass(eq=False)
class Member:
    """One worker: `actor`, what it awaits (`about` itself first, then the news of its job), and its job.

    `since`: when it was given the job (monotonic seconds); `began`: whether it has told anything of it.
    """

    actor: Any
    waiting: Any
    about: About | None = None
    job: Job | None = None
    since: float = 0.0
    began: bool = False


@dataclasses.dataclass(frozen=True)
class Lost:
    """A worker that is gone, and Ray's reason; `began`: it had begun with its job."""

    reason: str
    began: bool = True


class Crew:
    """Hires workers, gives them jobs, listens to them. A worker that dies is told as `Lost` and is no member any more.

    More workers may be asked for than the cluster has room for: Ray starts those, as room comes.
    """

    def __init__(self, outfit: Outfit, given: Share) -> None:
        """Every worker gets `outfit`, sent once per node, and the resources `given`."""
        self._outfit = ray.put(outfit)
        self._class = ray.remote(Worker).options(max_restarts=0, **given.resources)
        self._members: list[Member] = []
        self._broken: list[tuple[float, str]] = []  # workers in a row that did not come up: when, and why

    def hire(self, wanted: int) -> None:
        """Ask Ray for workers until there are `wanted`, started or waiting for room.

        While some are up and others do not come up, a node is out of order: those that are up do the work.
        """
        while len(self._members) < min(wanted, MOST_PENDING) and len(self._broken) < MOST_BROKEN:
            actor: Any = self._class.remote(self._outfit)
            self._members.append(Member(actor, actor.about.remote()))

    @property
    def up(self) -> int:
        """How many workers are up."""
        return sum(member.about is not None for member in self._members)

    def idle(self) -> list[Member]:
        """Return the workers that are up and have no job."""
        return [member for member in self._members if member.about and not member.job]

    def busy(self) -> list[Member]:
        """Return the workers that have a job."""
        return [member for member in self._members if member.job]

    def start(self, member: Member, job: Job, files: Files) -> None:
        """Let an idle worker train `job`."""
        member.job, member.since, member.began = job, time.monotonic(), False
        member.waiting = member.actor.train.options(num_returns="streaming").remote(job, files)

    def news(self, seconds: float) -> Iterator[tuple[Member, News | Lost]]:
        """Wait up to `seconds` for something to happen, and yield what workers with a job have to tell.

        Raises UserError where workers do not come up at all.
        """
        self._see_that_some_start()
        waiting = {member.waiting: member for member in self._members if member.waiting is not None}
        if not waiting:
            return
        ready, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=0)
        if not ready:
            ready, _ = ray.wait(list(waiting), num_returns=1, timeout=seconds)
        for one in ready:
            told = self._hear(waiting[one])
            if told is not None:
                yield waiting[one], told

    def _hear(self, member: Member) -> News | Lost | None:
        try:
            if member.about is None:
                member.about, member.waiting = ray.get(member.waiting), None
                self._broken.clear()
                return None
            news: News = ray.get(next(member.waiting))
        except (ray.exceptions.RayError, StopIteration) as error:
            self.dismiss(member)
            reason = _reason(error)
            if member.job:
                return Lost(reason, member.began)
            self._broken.append((time.monotonic(), reason))
            return None
        member.began = True
        if news.ended:
            member.waiting = None
        return news

    def _see_that_some_start(self) -> None:
        """Raise UserError where several workers in a row did not come up, and no other will, or not in time."""
        if len(self._broken) < MOST_BROKEN or self.up:
            return
        since, reason = self._broken[0][0], self._broken[-1][1]
        if not self._members or time.monotonic() - since > PATIENCE_SECONDS:
            raise UserError(f"workers do not start on the Ray cluster: {reason}")

    def free(self, member: Member) -> None:
        """The worker has ended its job."""
        member.job = None

    def dismiss(self, *members: Member) -> None:
        """End these workers at once."""
        for member in members:
            if member in self._members:
                self._members.remove(member)
            if member.about:  # where this one came up another one may
                self._broken.clear()
            with contextlib.suppress(Exception):  # it may be gone already, or Ray itself
                ray.kill(member.actor)

    def end(self) -> None:
        """End all workers at once."""
        self.dismiss(*self._members)


def _reason(error: Exception) -> str:
    """Return the line of Ray's message that says most: the last one that is no field and no note."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith("\t")]
    if isinstance(error, ray.exceptions.RayTaskError) or "creation task" in str(error):
        return lines[-1] if lines else type(error).__name__
    return (lines[0] if lines else type(error).__name__)[:300]
