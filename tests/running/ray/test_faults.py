"""What goes wrong on Ray: jobs that fail in every way, memory and disks that are full, nodes that are out of order."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from benchmarks.records import storage
from benchmarks.running.ray.cluster import JobResources
from benchmarks.suites.suite import load as load_suite
from benchmarks.support.disk import DiskFull
from benchmarks.support.errors import UserError
from tests.making import digits_session, digits_suite
from tests.process import bench, write_suite

pytest.importorskip("ray", reason="Ray is not installed (the extra `ray`)")
from benchmarks.running.ray import pool
from benchmarks.running.ray.driver import execute
from tests.running.ray.nodes import ONE, Heard, Nodes, load_plugin, record, run_here, same

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore:.*:ResourceWarning")
ON_GPU = JobResources(num_cpus=0.25, num_gpus=0.5, threads=1, device="cpu")  # a GPU that Ray believes in
GIGABYTE = 2**30

FAILS = """
import dataclasses, os, pathlib, signal, time
from strategies.base import Strategy
from strategies.registry import register

def plugin(name, act):
    def class_weights_C(self, facts, progress):
        if not pathlib.Path({mended!r}).exists():
            act(facts)
            return
        pathlib.Path({mended!r}, name).touch()
        while len(os.listdir({mended!r})) < 3:  # all three are at work at a time
            time.sleep(0.05)
    made = type(name.title(), (Strategy,), {{
        "name": name, "class_weights_C": class_weights_C, "__annotations__": {{}},
    }})
    register(dataclasses.dataclass(frozen=True)(made))

def kill(facts):
    print("about to go", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

def fail(facts):
    raise RuntimeError("nobody can train this")

plugin("t-kills", kill)
plugin("t-raises", fail)
plugin("t-hangs", lambda facts: time.sleep(600) if facts.stage == 2 else None)
"""

HOGS = """
import dataclasses, os, pathlib, time
from strategies.base import Strategy
from strategies.registry import register

@register
@dataclasses.dataclass(frozen=True)
class Hogs(Strategy):
    name = "t-hogs"
    def class_weights_C(self, facts, progress):
        marker = pathlib.Path({marker!r})
        if not marker.exists():
            marker.write_text(os.environ.get("CUDA_VISIBLE_DEVICES", "none"))
            hog = []
            while len(hog) < {most}:  # until Ray has seen enough of it
                hog.append(b"x" * 2**28)
                time.sleep(0.1)
"""


def test_every_kind_of_failure_costs_its_own_cell_and_can_be_tried_again(two_nodes: Nodes, tmp_path: Path) -> None:
    suite, names = write_suite(tmp_path), ("t-kills", "t-raises", "t-hangs", "none")
    load_plugin(tmp_path, FAILS.format(mended=str(tmp_path / "mended")))
    command = ["run", "--suite", suite, "--plugin", "plugin.py", "--threads", "1"]
    command += ["--executor", "ray", "--address", two_nodes.address, "--strategy"]
    done = bench(tmp_path, *command, ",".join(names), "--job-timeout", "45")
    assert done.returncode == 1, done.stderr
    session = digits_session(tmp_path / "runs", load_suite(str(suite)), strategies=names)
    kills, raises, hangs, plain = (record(session, cell) for cell in session.plan.cells)
    assert plain.status == "done"
    assert kills.error and "its worker is gone" in kills.error and "(2 attempts)" in kills.error
    assert raises.error == "RuntimeError: nobody can train this"
    assert hangs.error == "it took longer than 45 s"
    assert "3 of 4 cells failed" in done.stderr
    work = session.context.store.work
    assert "class_weights_C" in (work / "failures" / f"{session.plan.cells[1].key}.txt").read_text()
    log = (work / "logs" / f"{session.plan.cells[0].jobs[0][0]}.log").read_text()
    assert log.count("stopped: its worker is gone") == 2

    (tmp_path / "mended").mkdir()
    state = session.context.store.state(session.plan.cells[2].jobs[0][-1])  # what the job that hung started from
    state.write_bytes(state.read_bytes()[:-9])
    never_ran = "loss-weights"
    again = bench(tmp_path, *command, ",".join([*names, never_ran]), "--retry-failed", "--jobs-per-device", "2")
    assert again.returncode == 0, again.stderr
    assert len(list(tmp_path.glob("runs/tiny/records/*/*.json"))) == len(names), "only what failed is tried again"
    assert "cannot be read" in again.stdout and "continues from its last checkpoint" in again.stdout
    made = {path.stem: json.loads(path.read_text())["made"] for path in tmp_path.glob("runs/tiny/records/*/none*")}
    assert list(made.values()) == [plain.made]
    same(run_here(tmp_path / "here", load_suite(str(suite)), names), session, session.plan.cells)


def _used_and_all() -> tuple[int, int]:
    """Return the memory in use and all there is, in bytes, as Ray counts it where no container limits it."""
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    found = {name: int(lines[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable")}
    return found["MemTotal"] - found["MemAvailable"], found["MemTotal"]


def test_a_worker_that_ray_kills_for_its_memory_costs_one_attempt_and_sees_only_its_gpu(
    nodes: Nodes, tmp_path: Path
) -> None:
    used, all_there_is = _used_and_all()
    if all_there_is - used < 7 * GIGABYTE:
        pytest.skip("less than seven gigabytes of memory are free")
    plugin = load_plugin(tmp_path, HOGS.format(marker=str(tmp_path / "marker"), most=28))  # times 2**28 bytes
    limit = {
        "RAY_memory_monitor_refresh_ms": "250",
        "RAY_memory_usage_threshold": f"{(used + 4 * GIGABYTE) / all_there_is:.4f}",
    }
    cache = nodes.have(1).add(num_gpus=1, env_vars=limit)
    suite, names = digits_suite(), ("t-hogs",)
    session, heard = digits_session(tmp_path / "out", suite, strategies=names), Heard(nodes)
    outcome = execute(session.plan, session.context, tmp_path / "out", heard, given=ON_GPU, plugins=[plugin])
    nodes.remove(cache)
    assert (outcome.done, outcome.failed) == (1, ()), heard.notes
    (lost,) = [note for note in heard.notes if "its worker is gone" in note]
    assert "memory" in lost and lost.endswith("it continues from its last checkpoint.")
    same(run_here(tmp_path / "here", suite, names), session, session.plan.cells)
    assert all(" GPU 0 (" in where for where in heard.places)
    assert (tmp_path / "marker").read_text() == "0"  # so that what a worker calls cuda is the GPU that it was given


def test_a_full_disk_of_the_driver_ends_the_run_and_a_node_out_of_order_costs_nothing(
    nodes: Nodes, small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "MOST_BROKEN", 1)  # two more tries would cost time and say nothing new
    broken = tmp_path / "no folder"
    broken.touch()
    suite, names = digits_suite(), ("none", "loss-weights")
    session, heard = digits_session(small_disk, suite, strategies=names), Heard(nodes)
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 9_500_000)
    cache = nodes.have(1).add(env_vars={"BENCHMARKS_CACHE": str(broken)})
    with pytest.raises(DiskFull, match="No space left on device"):
        execute(session.plan, session.context, small_disk, heard, given=ONE, share_folder=False)
    nodes.remove(cache)
    assert not list(small_disk.rglob("*.tmp"))
    assert storage.read_all(small_disk / "digits-test" / "records") == ([], [])

    ballast.unlink()
    again = run_here(small_disk, suite, names)
    same(run_here(tmp_path / "here", suite, names), again, session.plan.cells)


def test_workers_that_do_not_come_up_anywhere_end_the_run_in_a_sentence(nodes: Nodes, tmp_path: Path) -> None:
    plugin = load_plugin(tmp_path, f"import os\nif os.getpid() != {os.getpid()}: raise SystemError('not here')\n")
    session = digits_session(tmp_path / "out")
    with pytest.raises(UserError, match="workers do not start on the Ray cluster: .*not here"):
        execute(session.plan, session.context, tmp_path / "out", Heard(nodes.have(1)), given=ONE, plugins=[plugin])
    assert not list(session.context.store.work.glob("shared-*"))
