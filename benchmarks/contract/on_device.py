"""A strategy's tiny cell, trained on a GPU and on the CPU: the clause that `check --device cuda` tries."""

from __future__ import annotations

import functools
import math
import tempfile
from pathlib import Path

import torch

from benchmarks.contract import tiny
from benchmarks.contract.clauses import Clause, Verdict, expect, tried
from benchmarks.running.job import run_job
from strategies.base import Strategy
from strategies.combining.seats import calls

# float32 summation order differs, over a dozen steps of a tiny network
TOLERANCE = 0.05


def judge_on(strategy: Strategy, device: torch.device) -> Verdict:
    """Return whether the strategy trains on the device as it does on the CPU."""
    promise = f"A cell trained on {device.type} has the losses of one trained on the CPU, within {TOLERANCE:.0%}"
    check = functools.partial(trains_alike, device=device)
    return tried(Clause(f"on {device.type}", promise, check), strategy)


def trains_alike(strategy: Strategy, device: torch.device) -> None:
    """Raise `Broken` where an epoch's mean loss differs by more than `TOLERANCE`.

    A GPU draws per-class augmentation differently: losses of strategies that use it only have to be finite.
    """
    here, there = losses(strategy, torch.device("cpu")), losses(strategy, device)
    for epoch, (ours, theirs) in enumerate(zip(here, there, strict=True)):
        alike = math.isclose(ours, theirs, rel_tol=TOLERANCE)
        expect(
            alike or (calls(strategy, "augmentation") and math.isfinite(theirs)),
            f"the loss of epoch {epoch + 1} is {theirs:.4g} on {device.type} and {ours:.4g} on the CPU",
        )


def losses(strategy: Strategy, device: torch.device) -> list[float]:
    """Return the mean loss of every epoch of a cell's jobs."""
    with tempfile.TemporaryDirectory() as folder, tiny.backbone():
        plan, context = tiny.session([str(strategy)], Path(folder), device=device)
        return [loss for job in plan.jobs.values() for loss in run_job(context, job).losses]
