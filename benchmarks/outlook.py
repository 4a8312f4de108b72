"""What a plan still has to train, and how long it will take: for `plan` to print and for the display's ETA."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from benchmarks.job import Workshop
from benchmarks.pending import pending
from benchmarks.plan import NAMES, Job, Plan
from benchmarks.records import Record

NAMES_PER_S = 2000.0  # on one core; measured where such a job is done
UNTIMED_IMG_PER_S = 100.0  # only weighs jobs of untimed backbones against each other


@dataclasses.dataclass(frozen=True)
class Outlook:
    """What is stored, and what is to do.

    `stored`: finished records by cell key. `finished`: keys of finished jobs. `todo`: jobs that cells without a record
    wait for, in order. `images`, `seconds`: what each of these has to train and what that is expected to take, by
    key; `img_per_s` the rates behind it, by backbone: timed when the backbone was probed, or measured in finished
    jobs. A backbone that is missing there was never timed: the seconds of its jobs are no estimate, only a weight.
    """

    stored: Mapping[str, Record]
    finished: frozenset[str]
    todo: tuple[Job, ...]
    images: Mapping[str, int]
    seconds: Mapping[str, float]
    img_per_s: Mapping[str, float]

    @property
    def minutes(self) -> float | None:
        """The estimate in minutes; None where a backbone was never timed."""
        if any(job.backbone not in self.img_per_s for job in self.todo):
            return None
        return sum(self.seconds.values()) / 60

    def learned(self, spent: Mapping[str, tuple[int, float]]) -> dict[str, float]:
        """Return the `seconds` anew, given images and seconds `spent` on jobs of some backbones since, by backbone."""
        rates = {backbone: images / seconds for backbone, (images, seconds) in spent.items() if images and seconds}
        anew = {job.key: self.images[job.key] / rates[job.backbone] for job in self.todo if job.backbone in rates}
        return {**self.seconds, **anew}


def look(plan: Plan, shop: Workshop, stored: Mapping[str, Record]) -> Outlook:
    """Return what `plan` has left to do, given the records that are `stored` and the jobs in the workshop's store."""
    results = {key: shop.store.result(key) for key in plan.jobs}
    finished = frozenset(key for key, result in results.items() if result is not None)
    todo = tuple(pending(plan, shop.store, [cell for cell in plan.cells if cell.key not in stored]).values())
    rates = {name: max(choice.img_per_s.values()) for name, choice in shop.choices.items() if choice.img_per_s}
    rates[NAMES] = NAMES_PER_S
    for backbone in {job.backbone for job in plan.jobs.values()}:
        measured = [r for k, r in results.items() if r is not None and plan.jobs[k].backbone == backbone and r.images]
        if measured:
            rates[backbone] = sum(r.images for r in measured) / sum(r.seconds for r in measured)
    # a stretch on stored features sees every image once, when it stores them
    passes = {job.key: min(job.epochs, 1) if job.on == "features" else job.epochs for job in todo}
    images = {job.key: passes[job.key] * len(shop.stage(job.stage).data.train_rows) for job in todo}
    seconds = {job.key: images[job.key] / rates.get(job.backbone, UNTIMED_IMG_PER_S) for job in todo}
    return Outlook(stored, finished, todo, images, seconds, rates)
