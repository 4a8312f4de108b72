"""A plan on a real Ray cluster: two nodes of one core each on this machine, killed in every way, the same bits."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from benchmarks import records
from benchmarks.execute import local, ray_cluster
from benchmarks.job_logs import JobLogs
from benchmarks.plan import Cell, Job
from benchmarks.records import Record
from benchmarks.report import Reporter, Reporters
from benchmarks.session import Session
from benchmarks.suite import load as load_suite
from tests.making import digits_session, digits_suite
from tests.process import interrupted, write_suite

os.environ.update({**ray_cluster.QUIET, "RAY_AUTH_MODE": "disabled"})  # else a token comes to lie in the home folder
ray = pytest.importorskip("ray", reason="Ray is not installed (the extra `ray`)")
from ray.cluster_utils import Cluster  # noqa: E402

from benchmarks.execute import on_ray  # noqa: E402
from benchmarks.execute.on_ray import execute  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore:.*:ResourceWarning")
OBJECTS_BYTES = 80 * 2**20
ONE = ray_cluster.Share(num_cpus=1, num_gpus=0, threads=1, device="cpu")
STRATEGIES = ("none", "loss-weights", "oversample")
PLUGIN = """
import dataclasses, os, signal
from strategies.base import Strategy
from strategies.registry import register

@register
@dataclasses.dataclass(frozen=True)
class Kills(Strategy):
    name = "t-kills"
    def class_weights_C(self, facts, progress):
        print("about to go", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

@register
@dataclasses.dataclass(frozen=True)
class Raises(Strategy):
    name = "t-raises"
    def class_weights_C(self, facts, progress):
        raise RuntimeError("nobody can train this")
"""


class Heard(Reporter):
    """Remembers where jobs ran, and what was noted."""

    def __init__(self) -> None:
        self.where: dict[str, list[int]] = {}  # job -> processes
        self.notes: list[str] = []

    def job_placed(self, job: Job, where: str) -> None:
        pid = re.search(r"\((\d+)\)$", where)
        assert pid
        self.where.setdefault(job.key, []).append(int(pid[1]))

    def note(self, line: str) -> None:
        self.notes.append(line)


def _same(one: Session, other: Session, cells: tuple[Cell, ...]) -> None:
    """Assert that two runs left the same bits: states, predictions, and all in the records but times and memory."""
    for cell in cells:
        for key in (key for chain in cell.jobs for key in chain):
            files = [session.shop.store.state(key) for session in (one, other)]
            if all(file.exists() for file in files):  # states that no job needs any more are gone
                states = [load_file(file) for file in files]
                assert states[0].keys() == states[1].keys()
                assert all(np.array_equal(states[0][name], states[1][name], equal_nan=True) for name in states[0]), key
            results = [session.shop.store.result(key) for session in (one, other)]
            assert results[0] and results[1] and results[0].losses == results[1].losses
        for chain in cell.jobs:
            arrays = [session.shop.store.predictions(chain[-1]) for session in (one, other)]
            assert all(np.array_equal(arrays[0][name], arrays[1][name]) for name in arrays[0])
        assert _timeless(_record(one, cell)) == _timeless(_record(other, cell))


def _record(session: Session, cell: Cell) -> Record:
    out = session.shop.store.work.parent
    return records.read(records.record_path(out, session.shop.suite.name, cell.backbone, cell.strategy, cell.seed))


def _timeless(record: Record) -> dict[str, Any]:
    content = dataclasses.asdict(record)
    for name in ("seconds_alone", "seconds_marginal", "peak_memory_bytes", "made"):
        content.pop(name)
    for stage in content["stages"]:
        stage.pop("seconds"), stage.pop("img_per_s")
    return content


@pytest.fixture(scope="module")
def suite() -> Any:
    return digits_suite({"epochs": {"head": 12, "tail": 3, "all": 2}})


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, suite: Any) -> Session:
    """Return the session of a run in this process."""
    out = tmp_path_factory.mktemp("here")
    session = digits_session(out, suite, strategies=STRATEGIES)
    local.execute(session.plan, session.shop, out, Reporter())
    return session


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Return a cluster of two nodes with a core each, to which this process is connected."""
    log = tmp_path_factory.mktemp("ray") / "ray.log"
    nodes = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "object_store_memory": OBJECTS_BYTES, "include_dashboard": False},
    )
    try:
        _second_node(nodes, tmp_path_factory.mktemp("cache-of-the-second"))
        with ray_cluster.joined(nodes.address, log):
            yield nodes
    finally:
        nodes.shutdown()


def _second_node(nodes: Cluster, cache: Path) -> Any:
    nodes.cache = cache
    variables = {"BENCHMARKS_CACHE": str(cache)}
    return nodes.add_node(num_cpus=1, object_store_memory=OBJECTS_BYTES, env_vars=variables)


def test_a_worker_and_a_node_killed_in_the_middle_cost_no_bit(
    cluster: Cluster, here: Session, suite: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = digits_session(tmp_path / "out", suite, strategies=STRATEGIES, checkpoint_seconds=0.0)
    store, done, sent = session.shop.store, set[str](), list[str]()
    files = on_ray._Run._files

    def watch(run: Any, job: Job) -> Any:
        given = files(run, job)
        sent.extend(given)
        return given

    monkeypatch.setattr(on_ray._Run, "_files", watch)

    class Killing(Heard):
        def progress(self, job: Job, step: int, steps: int) -> None:
            """Kill the first worker that has sent a checkpoint, then the node of the next."""
            if not store.checkpoint(job.key).exists() or step == steps or job.key in done:
                return
            if not done:
                done.add(job.key)
                os.kill(self.where[job.key][-1], signal.SIGKILL)
            elif len(done) == 1 and (node := self.second(job)):
                done.add(job.key)
                cluster.remove_node(node, allow_graceful=False)

        def second(self, job: Job) -> Any:
            """Return the node that is not the head, if the job runs on it."""
            environment = Path(f"/proc/{self.where[job.key][-1]}/environ").read_bytes()
            return next(iter(cluster.worker_nodes)) if str(cluster.cache).encode() in environment else None

    heard = Killing()
    outcome = execute(
        session.plan, session.shop, tmp_path / "out", Reporters([heard, JobLogs(store.work)]), given=ONE,
        share_folder=False,
    )  # fmt: skip
    assert (outcome.done, outcome.failed) == (3, ())
    assert len(done) == 2, "nothing was killed"
    for key in done:
        assert len(heard.where[key]) == 2 and heard.where[key][0] != heard.where[key][1]
        assert f"jobs/{key}/checkpoint.safetensors" in sent
    assert len([note for note in heard.notes if "goes on from its last checkpoint" in note]) == 2
    untouched = session.plan.jobs.keys() - done
    assert {len(heard.where[key]) for key in untouched} == {1}
    _same(here, session, session.plan.cells)
    # the second node had no data: it was sent, once
    assert len(list(cluster.cache.glob("decoded/*/images.npy"))) == 1
    assert sorted(path.stem for path in (store.work / "logs").iterdir()) == sorted(session.plan.jobs)
    assert not list(store.work.glob("shared-*"))


def test_what_fails_or_kills_twice_is_recorded_and_the_others_are_done(
    cluster: Cluster, here: Session, suite: Any, tmp_path: Path
) -> None:
    from strategies.registry import load_file as load_plugin

    (tmp_path / "plugin.py").write_text(PLUGIN)
    load_plugin(tmp_path / "plugin.py")
    session = digits_session(tmp_path / "out", suite, strategies=("t-kills", "t-raises", "none"))
    heard, work = Heard(), session.shop.store.work
    outcome = execute(
        session.plan, session.shop, tmp_path / "out", Reporters([heard, JobLogs(work)]), given=ONE,
        plugins=[tmp_path / "plugin.py"],
    )  # fmt: skip
    assert {cell.strategy for cell in outcome.failed} == {"t-raises", "t-kills"}
    kills, raises, plain = session.plan.cells
    error = _record(session, kills).error
    assert error and "its worker is gone" in error and "(2 attempts)" in error
    assert _record(session, raises).error == "RuntimeError: nobody can train this"
    assert "class_weights_C" in (work / "failures" / f"{raises.key}.txt").read_text()
    log = (work / "logs" / f"{kills.jobs[0][0]}.log").read_text()
    assert log.count("stopped: its worker is gone") == 2
    _same(here, session, (plain,))


def test_a_driver_that_is_killed_or_interrupted_goes_on_where_it_was(cluster: Cluster, tmp_path: Path) -> None:
    suite_file = write_suite(tmp_path, epochs=6)
    on_ray = ["run", "--all", "--suite", suite_file.name, "--threads", "1", "--out", "out", "--executor", "ray"]
    job = "stage 1 test_resnet"
    code, _, _ = interrupted(tmp_path, signal.SIGKILL, job, *on_ray, "--address", cluster.address)
    assert code == -signal.SIGKILL
    finished = {path: path.stat().st_mtime_ns for path in tmp_path.glob("out/.work/jobs/*/result.json")}
    assert finished
    code, said, errors = interrupted(tmp_path, signal.SIGINT, job, *on_ray)
    assert (code, errors.count("\n")) == (130, 2)
    assert "interrupted; what was finished is kept" in errors
    assert not re.search(r"raylet|worker|INFO|WARN", said)

    here, there = (digits_session(tmp_path / out, load_suite(str(suite_file))) for out in ("here", "out"))
    outcome = execute(there.plan, there.shop, tmp_path / "out", Reporter(), given=ONE)
    assert outcome.stored + outcome.done == 3
    assert finished.items() <= {path: path.stat().st_mtime_ns for path in finished}.items()
    local.execute(here.plan, here.shop, tmp_path / "here", Reporter())
    _same(here, there, here.plan.cells)
