"""Two Ray nodes of one core each over one, on the catalogue with small backbones; and what Ray costs a job once warm.

Reference: at least 1.8 times the throughput, and less than 0.5 s a job, on two cores that nobody else uses.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.execute import local, ray_cluster
from benchmarks.plan import Cell, Job
from benchmarks.report import Reporter
from benchmarks.session import Request, Session, open_session
from benchmarks.store import JobResult
from benchmarks.suite import Suite, load

os.environ.update({**ray_cluster.QUIET, "RAY_AUTH_MODE": "disabled"})  # else a token comes to lie in the home folder
pytest.importorskip("ray", reason="Ray is not installed (the extra `ray`)")
from ray.cluster_utils import Cluster

from benchmarks.execute.on_ray import execute

ONE = ray_cluster.Share(num_cpus=1, num_gpus=0, threads=1, device="cpu")
NODE = {"num_cpus": 1, "object_store_memory": 200 * 2**20}


class Watch(Reporter):
    """Times from the start of the first job, when workers are up, to the end of the last one."""

    def __init__(self) -> None:
        self.started = self.ended = 0.0
        self.images = self.jobs = 0

    def job_started(self, job: Job, cell: Cell) -> None:
        self.started = self.started or time.perf_counter()

    def job_done(self, job: Job, result: JobResult) -> None:
        self.ended = time.perf_counter()
        self.images += result.images
        self.jobs += 1

    @property
    def seconds(self) -> float:
        return self.ended - self.started

    @property
    def img_per_s(self) -> float:
        return self.images / self.seconds


def _suite() -> Suite:
    catalog = load("catalog")
    recipe = catalog.recipe.model_copy(
        update={"precision": "float32", "epochs": catalog.recipe.epochs.model_copy(update={"head": 2, "tail": 4})}
    )
    changes = {"backbones": ("resnet10t", "test_resnet"), "strategies": ("none", "loss-weights", "oversample")}
    return catalog.model_copy(update={"recipe": recipe, **changes})


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Return a cluster of one node to which this process is connected."""
    nodes = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    try:
        with ray_cluster.joined(nodes.address, Path(os.devnull)):
            yield nodes
    finally:
        nodes.shutdown()


@pytest.mark.benchmark(group="ray")
def bench_two_nodes_over_one(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str], cluster: Cluster, tmp_path: Path
) -> None:
    def run(name: str, carry_out: Callable[[Session, Path, Watch], object]) -> Watch:
        watch, out = Watch(), tmp_path / name
        session = open_session(Request(_suite(), device="cpu", out=out, threads=1), lambda _: None, lambda *_: None)
        carry_out(session, out, watch)
        return watch

    def on_ray(session: Session, out: Path, watch: Watch) -> None:
        execute(session.plan, session.shop, out, watch, given=ONE)

    here = run("here", lambda session, out, watch: local.execute(session.plan, session.shop, out, watch))
    one = run("one", on_ray)
    cluster.add_node(**NODE)
    two = benchmark.pedantic(run, ("two", on_ray), rounds=1, iterations=1)
    ratio, overhead = two.img_per_s / one.img_per_s, (one.seconds - here.seconds) / one.jobs
    benchmark.extra_info.update({"two_over_one": ratio, "overhead_s_per_job": overhead})
    with capsys.disabled():
        print(
            f"\nin this process {here.img_per_s:.0f} img/s, on Ray one node {one.img_per_s:.0f}, two nodes "
            f"{two.img_per_s:.0f}: {ratio:.2f} times; Ray costs {overhead:.2f} s a job ({one.jobs} jobs)"
        )
    assert one.jobs == two.jobs == here.jobs
