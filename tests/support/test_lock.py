"""One writer per output folder: who is there is named, who died is followed, nobody is let in twice."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from benchmarks.records import storage
from benchmarks.support.lock import held, holder, only_writer
from tests.process import Started, bench, environment, write_suite
from tests.running.test_kill import measured

STARTS = int(os.environ.get("BENCHMARKS_STARTS", "4"))
NAMES = ("none", "oversample", "loss-weights")
HOLD = """
import sys
from pathlib import Path
from benchmarks.support.lock import only_writer
say = lambda line: print(line, flush=True)
with only_writer(Path(sys.argv[1]), "run --all", wait=len(sys.argv) > 2, say=say):
    say("held")
    sys.stdin.readline()
"""


def _hold(out: Path, *wait: str) -> subprocess.Popen[str]:
    """Start a process that holds `out` until it reads a line."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(out), *wait], env=environment(), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def _says(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_a_second_run_says_who_is_at_work_and_a_third_takes_a_dead_ones_place(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    arguments = ["run", "--all", "--suite", write_suite(tmp_path), "--out", out]
    with _hold(out) as first:
        assert _says(first) == "held\n"
        refused = bench(tmp_path, *arguments)
        assert refused.returncode == 2
        assert refused.stderr.startswith("error: `run --all` (process ")
        assert refused.stderr.count("\n") == 1
        for part in (f"process {first.pid} on {socket.gethostname()}, since 20", "--wait", "choose another --out"):
            assert part in refused.stderr
        assert held(out)
        with _hold(out, "--wait") as waiting:
            assert "waiting for it" in _says(waiting)
            first.send_signal(signal.SIGKILL)
            said = _says(waiting)
            assert f"process {first.pid} on" in said and "this process takes over" in said
            assert _says(waiting) == "held\n"
            found = holder(out)
            assert found is not None and found.process == waiting.pid
            waiting.communicate("\n")
    assert holder(out) is None and not held(out)


def test_a_host_that_is_gone_is_followed_where_the_file_system_gave_its_lock_back(tmp_path: Path) -> None:
    (tmp_path / ".work").mkdir()
    note = {"host": "elsewhere", "process": 1, "since": "2026-01-02T03:04:05+00:00", "command": "run --all"}
    (tmp_path / ".work" / "run.json").write_text(json.dumps(note))
    said: list[str] = []
    with only_writer(tmp_path, "run", wait=False, say=said.append):
        found = holder(tmp_path)
        assert found is not None and found.host == socket.gethostname()
    gone = "`run --all` (process 1 on elsewhere, since 2026-01-02T03:04:05+00:00) ended without finishing"
    assert said == [f"{gone}; this process takes over."]


def test_waiting_ends_with_the_holder(tmp_path: Path) -> None:
    with _hold(tmp_path) as first:
        assert _says(first) == "held\n"
        with _hold(tmp_path, "--wait") as second:
            assert "waiting" in _says(second)
            found = holder(tmp_path)
            assert found is not None and found.process == first.pid
            first.communicate("\n")
            assert _says(second) == "held\n"
            second.communicate("\n")


def test_the_lock_is_free_after_an_error_in_the_block(tmp_path: Path) -> None:
    for _ in range(2):
        try:
            with only_writer(tmp_path, "run", wait=False, say=print):
                raise RuntimeError
        except RuntimeError:
            assert not held(tmp_path)


def test_two_runs_at_once_follow_each_other_and_do_every_job_once(tmp_path: Path) -> None:
    arguments = ["run", "--suite", write_suite(tmp_path), "--wait", "--strategy"]
    with only_writer(tmp_path / "runs", "run", wait=False, say=print):
        runs = [Started(tmp_path, *arguments, asked, listen=True) for asked in ("none,oversample", "loss-weights,none")]
        for run in runs:
            run.hear("is at work in runs; waiting for it.")
    done = [run.end() for run in runs]
    assert [run.returncode for run in done] == [0, 0], done
    both = "".join(run.stdout for run in done)
    assert [both.count(f"stage 1 test_resnet {name} seed 0: 1 epoch,") for name in NAMES] == [1, 1, 1]
    found, problems = storage.read_all(tmp_path / "runs" / "tiny" / "records")
    assert sorted(record.strategy for record in found if record.status == "done") == sorted(NAMES) and not problems
    assert "All is done already (3 cells)" in bench(tmp_path, *arguments[:3], "--all").stdout


def test_of_many_runs_that_start_at_once_one_works_at_a_time_and_the_others_wait_or_say_so(tmp_path: Path) -> None:
    arguments = ["run", "--all", "--suite", write_suite(tmp_path), "--threads", 1, "--out"]
    assert bench(tmp_path, *arguments, "alone").returncode == 0
    runs = [Started(tmp_path, *arguments, "runs", *(["--wait"] if k % 2 else [])) for k in range(STARTS)]
    done = [run.end() for run in runs]
    refused = [run for run in done if run.returncode]
    assert all(run.returncode == 0 for run in done[1::2]), [run.stderr for run in done]
    for run in refused:
        assert run.returncode == 2 and run.stderr.startswith("error: ") and run.stderr.count("\n") == 1
        assert "is at work in runs; wait for it with --wait" in run.stderr
    said = "".join(run.stdout for run in done)
    assert [said.count(f"stage {n} test_resnet {name} seed 0: 1 epoch,") for name in NAMES for n in (1, 2)] == [1] * 6
    assert measured(tmp_path / "runs") == measured(tmp_path / "alone")
    assert not list((tmp_path / "runs").rglob("*.tmp")) and not held(tmp_path / "runs")
    print(f"{STARTS} starts, {len(refused)} of them refused: every job once, the same bits")
