"""The clauses that take a real training, of a fraction of a second: what is frozen stays, and a kill changes no bit."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.contract import tiny
from benchmarks.contract.clause import expect
from benchmarks.planning.plan import Job, Plan
from benchmarks.planning.store import Store
from benchmarks.running.context import RunContext
from benchmarks.running.job import begin, run_job
from benchmarks.running.scoring import done_record
from benchmarks.training import checkpoint
from strategies.base import Strategy
from strategies.combining.expression import parse


class _Killed(BaseException):
    """Stands for a kill: nothing that catches errors catches it."""


def frozen(strategy: Strategy) -> None:
    """In segments that freeze a part, that part and its batch-norm statistics end as they began.

    Statistics may move where the segment declares it (`Phase.moving_statistics`).
    """
    with tempfile.TemporaryDirectory() as folder, tiny.backbone():
        plan, context = tiny.session([str(strategy)], Path(folder))
        for job in plan.jobs.values():
            run_job(context, job)
            if job.segment.phase.trains != "all":
                _frozen(context, job)


def _frozen(context: RunContext, job: Job) -> None:
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    phase = job.segment.phase
    before = _state(context, job.parent) if job.continues and job.parent else begin(context, job).network.state_dict()
    after = _state(context, job.key)
    for name, tensor in before.items():
        trained = name == phase.trains or name.startswith(f"{phase.trains}.")
        fresh = phase.new_classifier and name.startswith("classifier.")
        moving = phase.moving_statistics and name.endswith(statistics)
        if not (trained or fresh or moving or name.startswith("optimizer.")):
            expect(
                name in after and torch.equal(tensor, after[name]),
                f"{name} changed in epochs {job.start}..{job.end} of stage {job.stage}, which train {phase.trains}",
            )


def resumed(strategy: Strategy) -> None:
    """Killed at any step and run again, the weights, the predictions and the record are what they would have been."""
    with tempfile.TemporaryDirectory() as folder, tiny.backbone():
        plan, context = tiny.session([str(strategy)], Path(folder) / "whole")
        broken = dataclasses.replace(context, store=Store(Path(folder) / "killed"))
        for job in plan.jobs.values():
            run_job(context, job)
            _run_killed(broken, job)
            one, other = _state(context, job.key), _state(broken, job.key)
            different = [n for n in one if n not in other or not torch.equal(one[n], other[n])]
            expect(
                one.keys() == other.keys() and not different,
                f"killed and resumed in epochs {job.start}..{job.end} of stage {job.stage}, "
                f"{', '.join(different[:1]) or 'the state'} differs",
            )
        _recorded_alike(strategy, plan, context, broken)


def _run_killed(context: RunContext, job: Job) -> None:
    """Run a job that is killed at its second step and at its last one, and then left alone."""
    for fatal in (2, None):

        def step_until(step: int, steps: int, fatal: int | None = fatal) -> None:
            if step == (steps if fatal is None else fatal):
                raise _Killed

        try:
            run_job(dataclasses.replace(context, checkpoint_seconds=0.0), job, step_until)
        except _Killed:
            continue
    run_job(context, job)


def _recorded_alike(strategy: Strategy, plan: Plan, context: RunContext, other: RunContext) -> None:
    """Expect the same counts in both records, and the strategy in the record's text."""
    one, again = (done_record(at, plan, plan.cells[0]) for at in (context, other))
    expect(parse(one.strategy) == strategy, f"the record names {one.strategy!r}, which reads as another strategy")
    for a, b in zip(one.stages, again.stages, strict=True):
        expect((a.top1_bits, a.top5_bits) == (b.top1_bits, b.top5_bits), f"stage {a.name} is scored differently")
    for cell_jobs in plan.cells[0].jobs:
        stored, resumed_ = (at.store.predictions(cell_jobs[-1]) for at in (context, other))
        same = all(np.array_equal(stored[name], resumed_[name]) for name in stored)
        expect(same, "the predictions differ after a kill")


def _state(context: RunContext, key: str | None) -> dict[str, Tensor]:
    tensors, _ = checkpoint.load(context.store.state(str(key)))
    return tensors
