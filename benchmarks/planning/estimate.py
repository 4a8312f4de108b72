"""What a plan still has to train, and how long it will take: for `plan` to print and for the display's ETA."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from benchmarks.planning.plan import Job
from benchmarks.records.record import Record


@dataclasses.dataclass(frozen=True)
class Outlook:
    """What is stored, and what is left to do.

    `stored`: finished records by cell key. `finished`: keys of finished jobs. `todo`: jobs that cells without a record
    wait for, in order. `images`, `seconds`: how many images each of these trains on, and the expected time, by key.
    `img_per_s`: the underlying rate of one job, by backbone: timed when the backbone was probed, or measured in
    finished jobs, as `sources` says. A backbone without a rate was never timed: the seconds of its jobs are only
    weights, not an estimate. `jobs`: how many run in parallel.
    """

    stored: Mapping[str, Record]
    finished: frozenset[str]
    todo: tuple[Job, ...]
    images: Mapping[str, int]
    seconds: Mapping[str, float]
    img_per_s: Mapping[str, float]
    sources: Mapping[str, str] = dataclasses.field(default_factory=dict)
    jobs: int = 1

    @property
    def minutes(self) -> float | None:
        """The estimate in minutes; None where a backbone was never timed."""
        if any(job.backbone not in self.img_per_s for job in self.todo):
            return None
        return sum(self.seconds.values()) / 60 / max(1, min(self.jobs, len(self.todo)))

    def learned(self, spent: Mapping[str, tuple[int, float]]) -> dict[str, float]:
        """Return updated `seconds`, given the images and seconds `spent` on finished jobs, by backbone."""
        rates = {backbone: images / seconds for backbone, (images, seconds) in spent.items() if images and seconds}
        updated = {job.key: self.images[job.key] / rates[job.backbone] for job in self.todo if job.backbone in rates}
        return {**self.seconds, **updated}
