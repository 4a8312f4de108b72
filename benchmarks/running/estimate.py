"""Look at a plan and its store: what is left to train, and how long that will take."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from backbones.probe import Choice
from benchmarks.planning.estimate import Outlook
from benchmarks.planning.pending import pending
from benchmarks.planning.plan import NAMES, Plan
from benchmarks.records.record import Record
from benchmarks.running.context import RunContext
from benchmarks.support.words import counted

NAMES_PER_S = 2000.0  # on one core, until such a job has been measured
UNTIMED_IMG_PER_S = 100.0  # used only to weigh jobs of untimed backbones against each other


def look(plan: Plan, context: RunContext, stored: Mapping[str, Record]) -> Outlook:
    """Return what `plan` has left to do, given the records that are `stored` and the results in the context's store."""
    results = {key: context.store.result(key) for key in plan.jobs}
    finished = frozenset(key for key, result in results.items() if result is not None)
    todo = tuple(pending(plan, context.store, [cell for cell in plan.cells if cell.key not in stored]).values())
    rates = {name: max(choice.img_per_s.values()) for name, choice in context.choices.items() if choice.img_per_s}
    sources = {name: _timed(choice) for name, choice in context.choices.items() if choice.img_per_s}
    rates[NAMES] = NAMES_PER_S
    for backbone in {job.backbone for job in plan.jobs.values()}:
        measured = [r for k, r in results.items() if r is not None and plan.jobs[k].backbone == backbone and r.images]
        if measured:
            rates[backbone] = sum(r.images for r in measured) / sum(r.seconds for r in measured)
            sources[backbone] = f"measured in {counted(len(measured), 'finished job')}"
    # a segment on stored features reads each image only once, to compute the features
    passes = {job.key: min(job.epochs, 1) if job.segment.phase.on == "features" else job.epochs for job in todo}
    images = {job.key: passes[job.key] * len(context.stage(job.stage).data.train_rows) for job in todo}
    seconds = {job.key: images[job.key] / rates.get(job.backbone, UNTIMED_IMG_PER_S) for job in todo}
    return Outlook(stored, finished, todo, images, seconds, rates, sources, context.jobs)


def _timed(choice: Choice) -> str:
    """Return when a backbone was timed, and whether other work slowed it down; "" if it never was."""
    if not choice.at:
        return ""
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(choice.at)
    hours = int(age.total_seconds() // 3600)
    ago = f"{hours // 24} days ago" if hours >= 48 else f"{hours} h ago" if hours else "within the last hour"
    return f"timed {ago}{' while the machine was busy' if choice.busy else ''}"
