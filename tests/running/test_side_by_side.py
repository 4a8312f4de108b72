"""Jobs trained side by side by forks of a process: the bits of one job at a time, whatever happens to the forks."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest

from benchmarks.progress.events import Event, JobDone, JobStarted
from benchmarks.progress.reporter import Reporters
from benchmarks.running import local
from benchmarks.running.pooled.execute import execute
from benchmarks.support.lock import held, holder
from tests.making import digits_session
from tests.process import Started, bench, write_suite
from tests.running.test_kill import measured
from tests.running.test_supervisor import PLUGIN
from tests.waiting import wait_until

STRATEGIES = ("none", "crt", "mixup")
NAMES = "t-dies-once,t-raises,t-dies,t-hangs,t-images-once,t-memory-once,none,oversample"
FAILED = {"t-dies": "killed by SIGKILL (2 attempts)", "t-raises": "alert", "t-hangs": "longer than"}


class Watching:
    """Keeps which jobs are at work, and how many were at most."""

    def __init__(self) -> None:
        self.at_work, self.most, self.done = set[str](), 0, list[str]()

    def tell(self, event: Event) -> None:
        match event:
            case JobStarted(job):
                self.at_work.add(job.key)
                self.most = max(self.most, len(self.at_work))
            case JobDone(job):
                self.at_work.remove(job.key)
                self.done.append(job.key)


def test_side_by_side_every_job_is_trained_once_and_has_the_bits_of_one_at_a_time(tmp_path: Path) -> None:
    one = digits_session(tmp_path / "one", strategies=STRATEGIES)
    local.execute(one.plan, one.context, tmp_path / "one", Reporters())  # forks after this process has computed
    two, watching = digits_session(tmp_path / "two", strategies=STRATEGIES, jobs=2), Watching()
    outcome = execute(two.plan, two.context, tmp_path / "two", watching)
    assert (outcome.stored, outcome.done, outcome.failed) == (0, len(STRATEGIES), ())
    assert sorted(watching.done) == sorted(two.plan.jobs) and watching.most == 2
    assert measured(tmp_path / "two") == measured(tmp_path / "one") != {}
    assert execute(two.plan, two.context, tmp_path / "two", Watching()).stored == len(STRATEGIES)


def test_what_happens_to_one_of_the_jobs_costs_its_own_cell(tmp_path: Path) -> None:
    (tmp_path / "plugin.py").write_text(PLUGIN)
    command = ["run", "--suite", write_suite(tmp_path), "--plugin", "plugin.py", "--strategy", NAMES, "--threads", "1"]
    done = bench(tmp_path, *command, "--jobs", "2", "--job-timeout", "10", "--checkpoint-seconds", "0")
    assert done.returncode == 1, done.stderr
    found = {(r := json.loads(p.read_text()))["strategy"]: r for p in tmp_path.glob("runs/tiny/records/*/*.json")}
    assert {name for name, record in found.items() if record["status"] == "failed"} == set(FAILED)
    for name, words in FAILED.items():
        assert words in found[name]["error"], found[name]["error"]
    dies, images = (f"t-{name}-once seed 0: its process was killed by " for name in ("dies", "images"))
    assert f"{dies}SIGKILL; it continues from its last checkpoint" in done.stdout
    assert f"{images}SIGBUS; it continues from its last checkpoint" in done.stderr  # another process opens them again
    assert "no room; it continues from its last checkpoint" in done.stdout
    plain = [stage["top1_bits"] for stage in found["none"]["stages"]]
    for name in ("t-dies-once", "t-images-once", "t-memory-once"):
        assert [stage["top1_bits"] for stage in found[name]["stages"]] == plain
    traces = dict(re.findall(r"failed: test_resnet \| (\S+) \| seed 0; traceback: (\S+)", done.stderr))
    assert "after_step" in (tmp_path / traces["t-hangs"]).read_text()
    assert "RuntimeError" in (tmp_path / traces["t-raises"]).read_text()


def _children(pid: int) -> set[int]:
    """Return the processes that this one started, and those that they started."""
    found = set[int]()
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, path.read_text().split()):
            found |= {child} | _children(child)
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[object], dict[str, str]]:
    """Return the arguments of a run, and what it measured one job at a time, not interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    command: list[object] = ["run", "--all", "--suite", write_suite(folder, epochs=3), "--threads", "1"]
    assert bench(folder, *command).returncode == 0
    return command, measured(folder / "runs")


@pytest.mark.parametrize("victim", ["supervisor", "driver"])
def test_interrupted_and_killed_no_process_is_left_and_the_bits_stay(
    tmp_path: Path, whole: tuple[list[object], dict[str, str]], victim: str
) -> None:
    arguments, expected = whole
    command = [*arguments, "--jobs", "2", "--out", "two"]
    run = Started(tmp_path, *command, listen=True)
    run.hear("done already")
    run.send(signal.SIGINT)
    done = run.end()
    assert done.returncode == 130 and done.stderr.startswith("\ninterrupted; finished work is kept"), done.stderr

    run = Started(tmp_path, *command, listen=True)
    run.hear("stage 1")
    driver = holder(tmp_path / "two")
    assert driver is not None
    workers = _children(driver.process)
    assert workers
    os.kill(run.pid if victim == "supervisor" else driver.process, signal.SIGKILL)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in (*workers, driver.process)))
    assert run.end().returncode == (-signal.SIGKILL if victim == "supervisor" else 0)
    if victim == "supervisor":
        assert not held(tmp_path / "two")
        assert bench(tmp_path, *command).returncode == 0
    assert measured(tmp_path / "two") == expected != {}
