"""A worker that dies, hangs or is left alone; cells that fail in every way a plugin can make them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

from benchmarks.support.lock import held, holder
from tests.process import Started, bench, environment, write_suite
from tests.waiting import wait_until

PLUGIN = """
import ctypes, dataclasses, os, pathlib, signal, threading, time
from strategies.base import Strategy
from strategies.registry import register

def once(name):
    marker = pathlib.Path(name)
    if marker.exists():
        return False
    marker.touch()
    return True

def plugin(name, act):
    def after_step(self, network, outputs, batch, step):
        if not pathlib.Path("mended").exists():
            act(network)
    made = type(name.title(), (Strategy,), {"name": name, "after_step": after_step, "__annotations__": {}})
    register(dataclasses.dataclass(frozen=True)(made))

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

def spoil(network):
    for parameter in network.parameters():
        parameter.data.fill_(float("nan"))

def out_of_memory():
    raise MemoryError("no room")

def lose_gpu(network):
    with open("lost", "a") as file:
        file.write(f"{os.getpid()} ")
    raise RuntimeError("CUDA error: an illegal memory access was encountered")

def cut_images(network):
    for path in (pathlib.Path(os.environ["BENCHMARKS_CACHE"]) / "decoded").glob("digits-16-*/images.npy"):
        os.truncate(path, 2000)

def hang_deaf(network):
    signal.set_wakeup_fd(os.open("heard", os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK))  # C writes what Python cannot hear
    lock, library = ctypes.create_string_buffer(64), ctypes.CDLL(None)
    library.pthread_mutex_init(lock, None)
    library.pthread_mutex_lock(lock)
    threading.Timer(1, pathlib.Path("deaf").touch).start()  # by then it is deaf
    library.pthread_mutex_lock(lock)  # no signal handler of Python's runs in here

def raise_html(network):
    raise RuntimeError("<script>alert(1)</script> | \\ud800 `x` \\x1b[2J")

def swallow(network):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    except KeyboardInterrupt:
        if pathlib.Path("changed").exists():
            raise ImportError("what a library may make of it")

plugin("t-swallows", swallow)
plugin("t-dies-once", lambda network: once("died") and kill())
plugin("t-dies", lambda network: kill())
plugin("t-hangs-deaf", hang_deaf)
plugin("t-hangs", lambda network: time.sleep(600))
plugin("t-gpu-once", lambda network: once("gpu") and lose_gpu(network))
plugin("t-gpu", lose_gpu)
plugin("t-nan", spoil)
plugin("t-raises", raise_html)
plugin("t-images-once", lambda network: once("cut") and cut_images(network))
plugin("t-memory-once", lambda network: once("full") and out_of_memory())
"""
NAMES = "t-dies-once,t-gpu-once,t-gpu,t-nan,t-dies,none,t-raises,t-hangs,t-memory-once,t-images-once,oversample"
FAILED = {
    "t-nan": "the loss became nan",
    "t-dies": "killed by SIGKILL",
    "t-raises": "alert",
    "t-hangs": "longer than",
    "t-gpu": "CUDA error: an illegal memory access was encountered (2 attempts)",
}


def _paths(out: Path) -> dict[str, Path]:
    return {json.loads(path.read_text())["strategy"]: path for path in out.glob("tiny/records/*/*.json")}


def _records(out: Path) -> dict[str, dict]:
    return {strategy: json.loads(path.read_text()) for strategy, path in _paths(out).items()}


def test_every_kind_of_failure_costs_its_own_cell_and_can_be_tried_again(tmp_path: Path) -> None:
    (tmp_path / "plugin.py").write_text(PLUGIN)
    arguments = ["run", "--suite", write_suite(tmp_path), "--plugin", "plugin.py", "--strategy", NAMES]
    done = bench(tmp_path, *arguments, "--job-timeout", "10", "--checkpoint-seconds", "0")
    assert done.returncode == 1, done.stderr
    found = _records(tmp_path / "runs")
    assert {name for name, record in found.items() if record["status"] == "failed"} == set(FAILED)
    plain = [stage["top1_bits"] for stage in found["none"]["stages"]]
    for name, words in FAILED.items():
        assert words in found[name]["error"], found[name]["error"]
    assert "(2 attempts)" in found["t-dies"]["error"]
    assert "t-dies-once seed 0: its process was killed by SIGKILL; it continues from its last checkpoint" in done.stderr
    assert (
        "t-images-once seed 0: its process was killed by SIGBUS; it continues from its last checkpoint" in done.stderr
    )
    assert [stage["top1_bits"] for stage in found["t-images-once"]["stages"]] == plain  # decoded again, trained alike
    assert "t-gpu-once seed 0: RuntimeError: CUDA error: an illegal memory access was encountered; it" in done.stderr
    assert len(set((tmp_path / "lost").read_text().split())) == 3, "each error ended its process"
    assert "no room; it continues from its last checkpoint" in done.stdout
    traces = dict(re.findall(r"failed: test_resnet \| (\S+) \| seed 0; traceback: (\S+)", done.stderr))
    assert set(traces) == set(FAILED)
    assert "after_step" in (tmp_path / traces["t-hangs"]).read_text()
    assert "RuntimeError" in (tmp_path / traces["t-raises"]).read_text()
    assert "lose_gpu" in (tmp_path / traces["t-gpu"]).read_text()
    page = (tmp_path / "runs/tiny/leaderboard.md").read_text()
    assert "<script" not in page
    status = bench(tmp_path, "status").stdout
    assert "<script>alert(1)</script> | `x` [2J" in status and "\x1b" not in status  # text, and none that steers
    before = {name: path.stat().st_mtime_ns for name, path in _paths(tmp_path / "runs").items()}

    (tmp_path / "mended").touch()
    again = bench(tmp_path, *arguments, "--retry-failed")
    assert again.returncode == 0, again.stderr
    assert {record["status"] for record in _records(tmp_path / "runs").values()} == {"done"}
    after = _paths(tmp_path / "runs")
    assert {name for name, path in after.items() if path.stat().st_mtime_ns != before[name]} == set(FAILED)


def test_a_second_interrupt_ends_what_does_not_hear_the_first(tmp_path: Path) -> None:
    (tmp_path / "plugin.py").write_text(PLUGIN)
    suite = write_suite(tmp_path)
    run = Started(tmp_path, "run", "--suite", suite, "--plugin", "plugin.py", "--strategy", "t-hangs-deaf")
    try:
        wait_until((tmp_path / "deaf").exists)
        run.send(signal.SIGINT)
        wait_until((tmp_path / "heard").read_bytes)  # two at once would count as one
        assert held(tmp_path / "runs")
        run.send(signal.SIGINT)
        wait_until(lambda: not held(tmp_path / "runs"))
    except AssertionError:
        run.send(signal.SIGKILL)  # and its worker ends with it
        raise
    done = run.end()
    assert done.returncode == 130
    assert done.stderr == "\nended; finished work is kept, and the same command continues it.\n"


def test_an_interrupt_that_a_library_swallows_or_takes_for_an_error_still_ends_the_run(tmp_path: Path) -> None:
    (tmp_path / "plugin.py").write_text(PLUGIN)
    arguments = ["run", "--suite", write_suite(tmp_path), "--plugin", "plugin.py", "--strategy", "t-swallows,none"]
    for out in ("swallowed", "changed"):
        done = bench(tmp_path, *arguments, "--out", out)
        assert (done.returncode, done.stderr.count("\n")) == (130, 2), done.stderr
        assert done.stderr.startswith("\ninterrupted; finished work is kept")
        assert not _records(tmp_path / out)
        (tmp_path / "changed").mkdir(exist_ok=True)


TWICE = """
import signal
from benchmarks.running.supervised import Supervised
both = {signal.SIGINT, signal.SIGTERM}
Supervised().hear(both)
signal.pthread_sigmask(signal.SIG_BLOCK, both)
for number in both:
    signal.raise_signal(number)
try:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, both)
except KeyboardInterrupt:
    print("once")
print("on")
"""


def test_a_ctrl_c_of_the_terminal_that_the_watcher_passes_on_at_once_is_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWICE], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("once\non\n", "")


def test_a_worker_ends_with_the_process_that_watches_it(tmp_path: Path) -> None:
    run = Started(tmp_path, "run", "--all", "--suite", write_suite(tmp_path, epochs=200), listen=True)
    run.hear("done already")
    worker = holder(tmp_path / "runs")
    assert worker is not None and worker.process != run.pid
    run.send(signal.SIGKILL)
    assert run.end().returncode == -signal.SIGKILL  # its output ends once the worker has closed it too
    wait_until(lambda: not Path(f"/proc/{worker.process}").exists())
    assert not held(tmp_path / "runs")
