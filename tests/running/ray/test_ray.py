"""A plan on a real Ray cluster: two nodes of one core each on this machine, killed in every way, the same bits."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from benchmarks.planning.plan import Job
from benchmarks.progress.events import Event, JobProgress
from benchmarks.progress.job_logs import JobLogs
from benchmarks.progress.reporter import Reporters
from benchmarks.running import local
from benchmarks.running.session import Session
from benchmarks.suites.suite import load as load_suite
from tests.making import digits_session, digits_suite
from tests.process import bench, interrupted, write_suite

pytest.importorskip("ray", reason="Ray is not installed (the extra `ray`)")
from benchmarks.running.ray import driver
from tests.running.ray.nodes import ONE, Heard, Nodes, load_plugin, run_here, same

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore:.*:ResourceWarning")
PLUGIN = """
import dataclasses, itertools, os, pathlib, time
from strategies.base import Strategy
from strategies.registry import register

def plugin(name):
    steps = itertools.count()
    def after_step(self, network, outputs, batch, step):
        while next(steps) >= 5 and not pathlib.Path({go!r}).exists():
            time.sleep(0.05)
    made = type(name.title(), (Strategy,), {{"name": name, "after_step": after_step, "__annotations__": {{}}}})
    register(dataclasses.dataclass(frozen=True)(made))

plugin("t-waits")
plugin("t-waits-too")
"""


class Killing(Heard):
    """Kills what trains the two jobs that wait, a worker and a node; lets another node join that has to take one."""

    def __init__(self, nodes: Nodes, session: Session, go: Path) -> None:
        super().__init__(nodes)
        self.store, self.go = session.context.store, go
        self.jobs = {cell.jobs[0][0] for cell in session.plan.cells if cell.strategy.startswith("t-waits")}
        self.at_work: set[tuple[str, int]] = set()  # jobs, and how often they were started
        self.mapped, self.joined, self.killed = set[Path](), list[Path](), False

    def tell(self, event: Event) -> None:
        super().tell(event)
        if isinstance(event, JobProgress):
            self._watch(event.job)

    def _watch(self, job: Job) -> None:
        if job.key not in self.jobs or self.go.exists() or not self.store.checkpoint(job.key).exists():
            return
        self.at_work.add((job.key, len(self.pids[job.key])))
        if not self.killed and self.at_work == {(key, 1) for key in self.jobs}:
            self.killed = True
            self._kill()
        elif {(key, 2) for key in self.jobs} <= self.at_work:
            self.go.touch()

    def _kill(self) -> None:
        (on_head,) = (key for key in self.jobs if self.caches[key] == [None])
        (beside,) = self.jobs - {on_head}
        (cache,) = self.caches[beside]
        assert cache is not None
        for key in self.jobs:
            maps = Path(f"/proc/{self.pids[key][0]}/maps").read_text()
            self.mapped.update(Path(path) for path in re.findall(r"(/\S+)/decoded/\S+/images.npy", maps))
        os.kill(self.pids[on_head][0], signal.SIGKILL)
        self.nodes.remove(cache)
        self.joined = [cache, self.nodes.add()]


def test_a_worker_and_a_node_killed_in_the_middle_and_a_node_that_joins_cost_no_bit(
    two_nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = load_plugin(tmp_path, PLUGIN.format(go=str(tmp_path / "go")))
    strategies, suite = ("t-waits", "t-waits-too", "oversample"), digits_suite()
    session = digits_session(tmp_path / "out", suite, strategies=strategies, checkpoint_seconds=0.0)
    sent, files, work = list[str](), driver.Run.files, session.context.store.work

    def watch(run: Any, job: Job) -> Any:
        given = files(run, job)
        sent.extend(given)
        return given

    monkeypatch.setattr(driver.Run, "files", watch)
    heard = Killing(two_nodes, session, tmp_path / "go")
    outcome = driver.execute(
        session.plan, session.context, tmp_path / "out", Reporters(heard, JobLogs(work)), given=ONE, plugins=[plugin],
        share_folder=False, job_timeout=300,
    )  # fmt: skip
    assert (outcome.done, outcome.failed) == (3, ())
    for key in heard.jobs:
        assert len(set(heard.pids[key])) == 2
        assert f"jobs/{key}/checkpoint.safetensors" in sent
    assert len([note for note in heard.notes if "its worker is gone" in note and "last checkpoint" in note]) == 2
    assert {len(heard.pids[key]) for key in session.plan.jobs.keys() - heard.jobs} == {1}
    assert heard.joined[1] in {heard.caches[key][1] for key in heard.jobs}, "the node that joined had nothing to do"
    same(run_here(tmp_path / "here", suite, strategies), session, session.plan.cells)
    # these nodes had no data: it was sent to each, once, and workers map that file
    assert heard.joined[0] in heard.mapped and len(heard.mapped) == 2
    assert [len(list(cache.glob("decoded/*/images.npy"))) for cache in heard.joined] == [1, 1]
    assert sorted(path.stem for path in (work / "logs").iterdir()) == sorted(session.plan.jobs)
    assert not list(work.glob("shared-*"))


def test_alone_the_option_starts_ray_and_auto_joins_what_stands(
    two_nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite_file = write_suite(tmp_path)
    command = ["run", "--suite", suite_file.name, "--threads", "1", "--out", "out", "--executor", "ray"]
    alone = bench(tmp_path, *command, "--strategy", "none")
    assert (alone.returncode, alone.stderr) == (0, ""), alone.stderr
    assert not re.search(r"raylet|INFO|WARN", alone.stdout)
    monkeypatch.setenv("RAY_ADDRESS", two_nodes.address)  # where `ray start` leaves it in a file
    auto = bench(tmp_path, *command, "--all", "--address", "auto")
    assert auto.returncode == 0, auto.stderr
    assert "done already: 1." in auto.stdout
    suite, there = load_suite(str(suite_file)), digits_session(tmp_path / "out", load_suite(str(suite_file)))
    same(run_here(tmp_path / "here", suite, suite.strategies), there, there.plan.cells)


def test_a_driver_that_is_killed_or_interrupted_goes_on_where_it_was(two_nodes: Nodes, tmp_path: Path) -> None:
    suite_file = write_suite(tmp_path, epochs=6)
    command = ["run", "--all", "--suite", suite_file.name, "--threads", "1", "--out", "out", "--executor", "ray"]
    job = "stage 1 test_resnet"
    code, _, _ = interrupted(tmp_path, signal.SIGKILL, job, *command, "--address", two_nodes.address)
    assert code == -signal.SIGKILL
    finished = {path: path.stat().st_mtime_ns for path in tmp_path.glob("out/.work/jobs/*/result.json")}
    assert finished
    code, said, errors = interrupted(tmp_path, signal.SIGINT, "test_resnet", *command)
    assert (code, errors.count("\n")) == (130, 2)
    assert "interrupted; finished work is kept" in errors
    assert not re.search(r"raylet|worker|INFO|WARN", said)

    here, there = (digits_session(tmp_path / out, load_suite(str(suite_file))) for out in ("here", "out"))
    outcome = driver.execute(there.plan, there.context, tmp_path / "out", Reporters(), given=ONE)
    assert outcome.stored + outcome.done == 3
    assert finished.items() <= {path: path.stat().st_mtime_ns for path in finished}.items()
    local.execute(here.plan, here.context, tmp_path / "here", Reporters())
    same(here, there, here.plan.cells)
