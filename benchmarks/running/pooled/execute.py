"""Run a plan on this machine's CPU, several jobs side by side: this process is the driver, forks of it train."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.planning.pending import pending
from benchmarks.planning.plan import Cell, Plan
from benchmarks.progress.reporter import Reporter, describe
from benchmarks.running.cells import Outcome, prepare
from benchmarks.running.context import RunContext
from benchmarks.running.graph import Graph
from benchmarks.running.pooled.forked import ForkedPool
from benchmarks.running.pooled.run import Run, Worker
from benchmarks.running.pooled.updates import JobUpdate, WorkerLost
from benchmarks.running.supervised import Supervised
from benchmarks.support.threads import note_threads


def execute(
    plan: Plan,
    context: RunContext,
    out: Path,
    reporter: Reporter,
    *,
    only: Sequence[Cell] | None = None,
    job_timeout: float | None = None,
    supervised: Supervised | None = None,
) -> Outcome:
    """Run the cells (or those of `only`) that have no record, `context.jobs` jobs at a time, in the plan's order.

    Each job uses this process's number of CPU threads, so its results are bit-identical to those of `local.execute`.
    `supervised`, `job_timeout` and exceptions are as there; this process itself trains nothing.
    """
    supervised = supervised or Supervised()
    stored, cells = prepare(plan, context, out, only, supervised)
    note_threads(context.store.work)
    graph = Graph(plan, cells, pending(plan, context.store, cells).values(), {})
    pool = ForkedPool(plan, context, context.jobs, torch.get_num_threads(), supervised.leave)
    return _Run(plan, context, out, reporter, graph, pool, None, supervised).carry_out(stored, job_timeout)


class _Run(Run):
    """A run whose workers share this process's memory map of the images."""

    def hear(self, worker: Worker, update: JobUpdate | WorkerLost) -> None:
        """Handle a worker's message; on SIGBUS (image file truncated), replace this process, which maps it too."""
        if isinstance(update, WorkerLost) and update.signal == signal.SIGBUS and worker.job:
            self.pool.end()
            self.supervised.end_for_another(
                self.context.store.work, worker.job.key, describe(worker.job), update.reason, update.trace
            )
        super().hear(worker, update)
