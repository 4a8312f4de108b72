"""Clauses that train a tiny cell in a fraction of a second: frozen parts, resumed jobs, micro-batches."""

from __future__ import annotations

import dataclasses
import functools
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.contract import tiny
from benchmarks.contract.clauses import clause, expect
from benchmarks.planning.plan import Job, Plan
from benchmarks.records.record import Record
from benchmarks.running.context import RunContext
from benchmarks.running.job import begin, resume, run_job
from benchmarks.running.scoring import done_record
from benchmarks.training import checkpoint
from benchmarks.training.loop import run
from strategies.base import Strategy
from strategies.combining.expression import parse

State = dict[str, Tensor]
_SIMPLER = (
    "described", "parameters", "phases", "weights", "sampling", "augmentation",
    "views", "rates", "ascent", "shapes", "finite", "odd-classes", "randomness", "facts",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class _Trained:
    """The results of one cell's jobs.

    `before`: for jobs that freeze a part, the network's state at their start. `after`: each job's final state.
    `predictions`: by the key of the job that made them. `record`: the cell's.
    """

    jobs: tuple[Job, ...]
    before: Mapping[str, State]
    after: Mapping[str, State]
    predictions: Mapping[str, Mapping[str, np.ndarray]]
    record: Record


class _Killed(BaseException):
    """Simulates a kill: `except Exception` does not catch it."""


@functools.lru_cache(maxsize=1)  # the clauses of one strategy share it
def _undisturbed(strategy: Strategy) -> _Trained:
    return _train(strategy, kill=False)


def _train(strategy: Strategy, *, kill: bool) -> _Trained:
    """Train a tiny cell, each of its jobs killed twice if `kill`."""
    before, after = {}, {}
    with tempfile.TemporaryDirectory() as folder, tiny.backbone():
        plan, context = tiny.session([str(strategy)], Path(folder))
        for job in plan.jobs.values():
            if job.segment.phase.trains != "all":
                before[job.key] = _first_state(context, job)
            if kill:
                _run_killed(context, job)
            run_job(context, job)
            after[job.key] = _state(context, job.key)
        record, predictions = done_record(context, plan, plan.cells[0]), _predictions(context, plan)
    return _Trained(tuple(plan.jobs.values()), before, after, predictions, record)


def _predictions(context: RunContext, plan: Plan) -> dict[str, dict[str, np.ndarray]]:
    return {chain[-1]: dict(context.store.predictions(chain[-1])) for chain in plan.cells[0].jobs}


def _first_state(context: RunContext, job: Job) -> State:
    """Return the state at the start of a job whose parent is done."""
    if job.continues and job.parent:
        return _state(context, job.parent)
    return begin(context, job).network.state_dict()


def _state(context: RunContext, key: str) -> State:
    tensors, _ = checkpoint.load(context.store.state(key))
    return tensors


def _run_killed(context: RunContext, job: Job) -> None:
    """Run a job that is killed at its second step, and once more at its last one."""
    for fatal in (2, None):

        def step_until(step: int, steps: int, fatal: int | None = fatal) -> None:
            if step == (steps if fatal is None else fatal):
                raise _Killed

        try:
            run_job(dataclasses.replace(context, checkpoint_seconds=0.0), job, step_until)
        except _Killed:
            continue


@clause("frozen", after=_SIMPLER)
def frozen(strategy: Strategy) -> None:
    """Frozen parts and their batch-norm buffers are unchanged.

    Statistics may move where the phase declares it (`Phase.moving_statistics`).
    """
    trained = _undisturbed(strategy)
    for job in trained.jobs:
        if job.key in trained.before:
            _expect_frozen(job, trained.before[job.key], trained.after[job.key])


def _expect_frozen(job: Job, before: State, after: State) -> None:
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    phase = job.segment.phase
    for name, tensor in before.items():
        fresh = phase.new_classifier and name.startswith("classifier.")
        moving = phase.moving_statistics and name.endswith(statistics)
        if not (phase.covers(name) or fresh or moving or name.startswith("optimizer.")):
            expect(
                name in after and torch.equal(tensor, after[name]),
                f"{name} changed in epochs {job.start}..{job.end} of stage {job.stage}, which train {phase.trains}",
            )


@clause("resumed", after=_SIMPLER)
def resumed(strategy: Strategy) -> None:
    """Resumed training gives the same results as uninterrupted training.

    Weights, predictions and record of a cell whose jobs are killed twice are bit-identical.
    """
    whole, killed = _undisturbed(strategy), _train(strategy, kill=True)
    for job in whole.jobs:
        one, other = whole.after[job.key], killed.after[job.key]
        different = [n for n in one if n not in other or not torch.equal(one[n], other[n])]
        expect(
            one.keys() == other.keys() and not different,
            f"killed and resumed in epochs {job.start}..{job.end} of stage {job.stage}, "
            f"{', '.join(different[:1]) or 'the state'} differs",
        )
    name = whole.record.strategy
    expect(parse(name) == strategy, f"the record names {name!r}, which reads as another strategy")
    for a, b in zip(whole.record.stages, killed.record.stages, strict=True):
        expect((a.top1_bits, a.top5_bits) == (b.top1_bits, b.top5_bits), f"stage {a.name} is scored differently")
    for key, arrays in whole.predictions.items():
        same = all(np.array_equal(arrays[what], killed.predictions[key][what]) for what in arrays)
        expect(same, "the predictions differ after a kill")


@clause("pieces", after=(*_SIMPLER, "resumed"))
def pieces(strategy: Strategy) -> None:
    """A batch trained in pieces (micro-batches) gives the same weights as a whole one.

    Tested with batch normalisation in evaluation mode, because its statistics would be per piece, and not for
    strategies that read names, whose dropout draws per piece.
    """
    if "text" in strategy.needs:
        return
    whole, cut = (_last_state(strategy, count) for count in (1, 2))
    for name, tensor in whole.items():
        close = torch.allclose(tensor.double(), cut[name].double(), rtol=1e-3, atol=1e-4)
        expect(close, f"{name} differs where batches are trained in two pieces")


def _last_state(strategy: Strategy, pieces: int) -> State:
    """Return the network's state after the first stage, whose last job trains each batch in `pieces` pieces."""
    with tempfile.TemporaryDirectory() as folder, tiny.backbone():
        plan, context = tiny.session([str(strategy)], Path(folder), epochs=2)
        *before, last = plan.cells[0].jobs[0]
        for key in before:
            run_job(context, plan.jobs[key])
        training, _ = resume(context, plan.jobs[last])
        for module in training.network.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.eval()
        training.pieces = pieces
        run(training, lambda *_: None, lambda _: None)
        return training.network.state_dict()
