"""Run a plan on Ray: this process, the driver, owns the store and schedules jobs; workers train them.

Jobs on the longest path go first. Otherwise scheduling is as for any workers (`pooled/run.py`); replacing
a worker whose GPU failed also costs its job one attempt.
"""

from __future__ import annotations

import dataclasses
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ray

from backbones.files import write_bytes
from backbones.weights import FirstWeights
from benchmarks.data.decoded.delivered import manifest
from benchmarks.planning.pending import pending
from benchmarks.planning.plan import Cell, Job, Plan
from benchmarks.progress.events import Note
from benchmarks.progress.reporter import Reporter
from benchmarks.running.cells import Outcome, prepare
from benchmarks.running.context import RunContext
from benchmarks.running.estimate import look
from benchmarks.running.graph import Graph, needs
from benchmarks.running.pooled import run as pooled
from benchmarks.running.pooled.updates import Files
from benchmarks.running.ray.cluster import JobResources
from benchmarks.running.ray.pool import WorkerPool
from benchmarks.running.ray.worker import WorkerConfig
from benchmarks.running.supervised import Supervised

QUIET_SECONDS = 60.0  # without a worker before a message is printed


def execute(
    plan: Plan,
    context: RunContext,
    out: Path,
    reporter: Reporter,
    *,
    given: JobResources,
    only: Sequence[Cell] | None = None,
    plugins: Sequence[Path] = (),
    job_timeout: float | None = None,
    share_folder: bool = True,
    supervised: Supervised | None = None,
) -> Outcome:
    """Run every cell without a record (or those of `only`) on the Ray cluster that this process is connected to.

    Each job gets the resources `given` and is given up after `job_timeout` seconds. Workers that can see `out` write
    there, unless `share_folder` is False. Raises UserError if no worker starts, DiskFull if `out` has no
    room. On these and on KeyboardInterrupt workers end and stored results stay.
    """
    supervised = supervised or Supervised()
    stored, cells = prepare(plan, context, out, only, supervised)
    outlook = look(plan, context, stored)
    graph = Graph(plan, cells, pending(plan, context.store, cells).values(), outlook.seconds)
    token = context.store.work / f"shared-{uuid.uuid4().hex}"
    write_bytes(token, b"")
    pool = WorkerPool(_config(context, out, given, plugins, token.name if share_folder else None), given)
    try:
        return Run(plan, context, out, reporter, graph, pool, outlook, supervised).carry_out(stored, job_timeout)
    finally:
        token.unlink(missing_ok=True)


def _config(
    context: RunContext, out: Path, given: JobResources, plugins: Sequence[Path], token: str | None
) -> WorkerConfig:
    """Return the config of every worker: the run context without its images."""
    bare = dataclasses.replace(
        context, loaded=dataclasses.replace(context.loaded, images_NHWC=np.zeros((0, 0, 0, 3), np.uint8))
    )
    return WorkerConfig(
        context=bare,
        manifest=manifest(context.loaded),
        driver=ray.get_runtime_context().get_node_id(),
        out=out.resolve(),
        token=token,
        weights={name: first.path.read_bytes() for name, first in _needed(context).items()},
        plugins=tuple((file.name, file.read_bytes()) for file in plugins),
        threads=given.threads,
    )


def _needed(context: RunContext) -> Mapping[str, FirstWeights]:
    """Return the first weights that jobs load: none if backbones are frozen, since their features are stored."""
    return {} if context.suite.recipe.frozen else context.first_weights


class Run(pooled.Run):
    """A run on Ray: it sends files to workers that do not see the output folder, and says that it waits for nodes."""

    def __init__(self, *state: Any) -> None:
        """Take the state of a run, as `pooled.run.Run` does."""
        super().__init__(*state)
        # when the wait for a first worker began; None: one is up, or the message was printed
        self._waits_since: float | None = time.monotonic()

    def wait(self) -> None:
        """Wait for the workers' messages, and handle them; say once that none is up yet."""
        self.note_wait()
        super().wait()

    def files(self, job: Job) -> Files:
        """Return the files that the job starts from: its own checkpoints, and states and predictions of other jobs."""
        store = self.context.store
        files = list(store.folder(job.key).glob("*checkpoint.safetensors"))
        for key in needs(job):
            files += [store.state(key), store.folder(key) / "predictions.npz"]
        return {str(file.relative_to(store.work)): file.read_bytes() for file in files if file.exists()}

    def note_wait(self) -> None:
        """Tell the user once that no worker has started for a while: the cluster is full or nodes are starting."""
        if self.pool.up:
            self._waits_since = None
        elif self._waits_since is not None and time.monotonic() - self._waits_since > QUIET_SECONDS:
            self._waits_since = None
            self.tell(
                Note("no worker is up yet; the run waits for free resources on the Ray cluster (see `ray status`).")
            )
