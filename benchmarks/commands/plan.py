"""`plan`: show what `run` would do."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from benchmarks.commands.opening import open_asked
from benchmarks.commands.options import PlanOptions, takes
from benchmarks.support.words import duration

if TYPE_CHECKING:
    from benchmarks.planning.estimate import Outlook
    from benchmarks.planning.plan import Plan
    from benchmarks.running.session import Session


@takes(PlanOptions)
def plan(options: PlanOptions, _: typer.Context) -> int:
    """Show the jobs, epochs and expected time of a run."""
    print_plans(options)
    return 0


def print_plans(options: PlanOptions) -> None:
    """Print the plan of each split."""
    for split in range(options.resample_splits):
        print_plan(open_asked(options, split=split), options.out)


def print_plan(session: Session, out: Path) -> None:
    """Print the jobs, how they are shared, epochs asked and executed, what is stored, and the estimated time left."""
    from tabulate import tabulate

    from benchmarks.running.cells import stored_records
    from benchmarks.running.estimate import look
    from benchmarks.running.frozen_features import views_to_compute

    plan, suite = session.plan, session.context.suite.name
    outlook = look(plan, session.context, stored_records(plan, out, suite))
    asked = collections.Counter(key for cell in plan.cells for key in cell.needed)
    waiting = {job.key for job in outlook.todo}
    rows = [
        [
            job.stage, job.backbone, job.strategy, job.seed, f"{job.start}..{job.end}", asked[key],
            "to run" if key in waiting else "stored" if key in outlook.finished else "not needed",
        ]
        for key, job in plan.jobs.items()
    ]  # fmt: skip
    headers = ["stage", "backbone", "what acts", "seed", "epochs", "cells", "state"]
    print(tabulate(rows, headers, tablefmt="simple", disable_numparse=True))
    print(f"\n{_sharing(session.plan)}")
    print(
        f"\ncells: {len(plan.cells)}, {len(outlook.stored)} done\n"
        f"jobs: {len(plan.jobs)} ({asked.total()} without sharing), {len(outlook.todo)} to train\n"
        f"epochs: {plan.epochs_executed()} ({plan.epochs_asked()} without sharing), "
        f"{sum(job.epochs for job in outlook.todo)} to train\n"
        f"estimate: {_estimate(outlook)}"
    )
    for backbone, views in (views_to_compute(session) if outlook.todo else {}).items():
        print(
            f"features: {views:,} views of images by {backbone} at {session.context.loaded.size} px are computed "
            "first, which the estimate does not count"
        )


def _sharing(plan: Plan) -> str:
    """Return a table of the epochs that each strategy shares."""
    from tabulate import tabulate

    from benchmarks.planning.sharing import shares

    rows = [[s.backbone, s.strategy, s.asked, s.shared, s.own, s.on_features or ""] for s in shares(plan)]
    headers = ["backbone", "strategy", "epochs asked", "shared", "own", "of these on stored features"]
    return tabulate(rows, headers, tablefmt="simple", colalign=["left", "left", *["right"] * 4])


def _estimate(outlook: Outlook) -> str:
    """Return the expected minutes and the speeds that they are based on."""
    if not outlook.todo:
        return "nothing to train"
    if outlook.minutes is None:
        return "none, because nothing has been timed here for this backbone and device"
    names = dict.fromkeys(job.backbone for job in outlook.todo)
    rates = ", ".join(f"{name} {outlook.img_per_s[name]:.0f} img/s{_source(outlook, name)}" for name in names)
    side_by_side = f" with {outlook.jobs} jobs side by side" if outlook.jobs > 1 else ""
    return f"about {duration(60 * outlook.minutes)} of training{side_by_side} ({rates})"


def _source(outlook: Outlook, backbone: str) -> str:
    """Return where a backbone's rate comes from, to be put after it."""
    source = outlook.sources.get(backbone)
    return f" {source}" if source else ""
