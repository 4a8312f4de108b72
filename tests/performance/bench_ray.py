"""Two Ray nodes of one core each over one, on the catalogue with small backbones; and what Ray costs a job once warm.

A turn runs the same jobs on one node and on two, or on one node and in this process; the clock starts when all workers
are up. The speed of a machine that others use drifts, so the ratio is the median of those of the turns, whose runs are
neighbours in time. What Ray costs a job is what passes outside of training, on one node less in this process: the
seconds of training themselves differ by more from one run to the next.
Reference: at least 1.8 times the throughput, and less than 0.5 s a job, on two cores that nobody else uses.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.progress.events import Event, JobDone, JobStarted
from benchmarks.running import local
from benchmarks.running.ray.cluster import QUIET, JobResources, joined
from benchmarks.running.session import Request, open_session
from benchmarks.suites.suite import Suite, load

os.environ.update({**QUIET, "RAY_AUTH_MODE": "disabled"})  # else a token comes to lie in the home folder
pytest.importorskip("ray", reason="Ray is not installed (the extra `ray`)")
from ray.cluster_utils import Cluster

from benchmarks.running.ray.driver import execute
from benchmarks.running.ray.pool import WorkerHandle, WorkerPool

TURNS = 3
ONE = JobResources(num_cpus=1, num_gpus=0, threads=1, device="cpu")
NODE = {"num_cpus": 1, "object_store_memory": 200 * 2**20}


class Watch:
    """Times from the start of the first job to the end of the last one."""

    def __init__(self) -> None:
        self.started = self.ended = 0.0
        self.images, self.trained, self.jobs = 0, 0.0, set[str]()

    def tell(self, event: Event) -> None:
        match event:
            case JobStarted():
                self.started = self.started or time.perf_counter()
            case JobDone(job, result):
                self.ended = time.perf_counter()
                self.images += result.images
                self.trained += result.seconds
                self.jobs.add(job.key)

    @property
    def seconds(self) -> float:
        return self.ended - self.started

    @property
    def beside(self) -> float:
        """Seconds that were not spent on training, of one worker."""
        return self.seconds - self.trained

    @property
    def img_per_s(self) -> float:
        return self.images / self.seconds


def _suite(strategies: tuple[str, ...], **epochs: int) -> Suite:
    """Return the catalogue's suite with small backbones and these strategies, and where they are given, epochs."""
    catalog = load("catalog")
    recipe = catalog.recipe.model_copy(update={"epochs": catalog.recipe.epochs.model_copy(update=epochs)})
    changes = {"recipe": recipe, "backbones": ("resnet10t", "test_resnet"), "strategies": strategies}
    return catalog.model_copy(update=changes)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Return a cluster of one node to which this process is connected."""
    nodes = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    try:
        with joined(nodes.address):
            yield nodes
    finally:
        nodes.shutdown()


def _run(suite: Suite, out: Path, nodes: int) -> Watch:
    """Run the suite's jobs in this process (`nodes` is 0), or on a worker of each of the nodes, all up."""
    watch = Watch()
    session = open_session(Request(suite=suite, device="cpu", out=out), lambda _: None, lambda *_: None)
    if not nodes:
        local.execute(session.plan, session.context, out, watch)
        return watch
    idle, begun = WorkerPool.idle, False

    def idle_once_all_are_up(pool: WorkerPool) -> list[WorkerHandle]:
        nonlocal begun
        begun = begun or len(idle(pool)) >= nodes
        return idle(pool) if begun else []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WorkerPool, "idle", idle_once_all_are_up)
        execute(session.plan, session.context, out, watch, given=ONE)
    return watch


@pytest.mark.benchmark(group="ray")
def bench_two_nodes_over_one(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str], cluster: Cluster, tmp_path: Path
) -> None:
    suite = _suite(("none", "loss-weights", "oversample", "balanced-softmax"))
    turns = []

    def turn() -> None:
        out = tmp_path / str(len(turns))
        one = _run(suite, out / "one", 1)
        second = cluster.add_node(**NODE)
        two = _run(suite, out / "two", 2)
        cluster.remove_node(second)
        assert one.jobs == two.jobs
        turns.append((one, two))

    benchmark.pedantic(turn, rounds=TURNS, iterations=1)
    each = [two.img_per_s / one.img_per_s for one, two in turns]
    slower = statistics.median(two.trained / one.trained for one, two in turns)
    busy = statistics.median(two.trained / 2 / two.seconds for _, two in turns)
    rates = [statistics.median(watch.img_per_s for watch in kind) for kind in zip(*turns, strict=True)]
    ratio = statistics.median(each)
    benchmark.extra_info.update({"two_over_one": ratio, "of_each_turn": each, "training_slower": slower, "busy": busy})
    with capsys.disabled():
        print(
            f"\non Ray one node {rates[0]:.0f} img/s, two nodes {rates[1]:.0f}: {ratio:.2f} times, turn by turn "
            f"{' '.join(f'{x:.2f}' for x in each)} (training itself takes {slower:.2f} times as long two at a time; "
            f"workers train for {busy:.2f} of their time; {len(turns[0][1].jobs)} jobs, medians of {TURNS})"
        )


@pytest.mark.benchmark(group="ray")
def bench_cost_of_a_job(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str], cluster: Cluster, tmp_path: Path
) -> None:
    suite = _suite(("none", "loss-weights", "oversample"), head=1, tail=2)
    turns = []

    def turn() -> None:
        out = tmp_path / str(len(turns))
        here, one = (_run(suite, out / str(nodes), nodes) for nodes in (0, 1))
        assert here.jobs == one.jobs
        turns.append((here, one))

    benchmark.pedantic(turn, rounds=TURNS, iterations=1)
    overhead = statistics.median((one.beside - here.beside) / len(one.jobs) for here, one in turns)
    benchmark.extra_info["overhead_s_per_job"] = overhead
    with capsys.disabled():
        print(f"\nRay costs {overhead:.2f} s a job ({len(turns[0][1].jobs)} jobs, medians of {TURNS})")
