"""`run` in processes of its own: what is missing is done, what fails is named, what is interrupted goes on."""

from __future__ import annotations

import json
import re
import shlex
import signal
from pathlib import Path

import pytest

from benchmarks.cli import main
from tests.process import bench, interrupted, write_suite

PLUGIN = """
import dataclasses
from strategies.base import Strategy
from strategies.registry import register

@register
@dataclasses.dataclass(frozen=True)
class Broken(Strategy):
    name = "broken"
    def loss(self, outputs, batch, step) -> None:
        raise RuntimeError("nobody can train this")
"""


def _times(out: Path) -> dict[str, int]:
    """Return when each job's result was written, by key."""
    return {path.parent.name: path.stat().st_mtime_ns for path in (out / ".work/jobs").glob("*/result.json")}


def test_ctrl_c_keeps_what_is_finished_and_prints_the_command_that_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = write_suite(tmp_path, epochs=6)
    arguments = ["run", "--all", "--suite", suite.name, "--out", "my runs"]
    code, said, errors = interrupted(tmp_path, signal.SIGINT, "stage 1 test_resnet none", *arguments)
    assert code == 130
    assert (errors.count("\n"), "Leaderboard" in said) == (2, False)
    line = next(line for line in errors.splitlines() if line.startswith("interrupted"))
    kept = _times(tmp_path / "my runs")
    assert kept

    words = shlex.split(re.split(r"continue: ", line)[1])
    assert words == ["python", "-m", "benchmarks", *arguments]
    done = bench(tmp_path, *words[3:])
    assert (done.returncode, done.stderr) == (0, "")
    assert kept.items() <= _times(tmp_path / "my runs").items()
    assert re.search(r"^test_resnet +oversample( +\d\.\d{3}){4} +1$", done.stdout, re.MULTILINE)
    assert (tmp_path / "my runs/tiny/leaderboard.md").is_file()
    assert f"Leaderboard: {Path('my runs/tiny/leaderboard.md')}" in done.stdout

    monkeypatch.chdir(tmp_path)
    assert main(words[3:]) == 0
    again = capsys.readouterr().out
    assert "All is done already (3 cells): nothing to do." in again
    assert "stage 1" not in again


def test_ctrl_c_makes_the_tables_of_the_cells_that_are_finished(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, epochs=6)
    code, said, errors = interrupted(
        tmp_path, signal.SIGINT, "[1/3,", "run", "--all", "--suite", suite, "--out", "mine"
    )
    assert code == 130
    assert (errors.count("\n"), errors.startswith("\ninterrupted; finished work is kept")) == (2, True)
    assert f"Leaderboard: {Path('mine/tiny/leaderboard.md')}" in said
    assert re.search(r"^test_resnet +none( +\d\.\d{3}){4} +1$", said, re.MULTILINE)
    assert "none" in (tmp_path / "mine/tiny/leaderboard.md").read_text()


def test_a_cell_that_fails_is_named_and_the_others_are_done(tmp_path: Path) -> None:
    (tmp_path / "plugin.py").write_text(PLUGIN)
    (tmp_path / "runs/tiny/leaderboard.md").mkdir(parents=True)
    done = bench(
        tmp_path, "run", "--suite", write_suite(tmp_path), "--plugin", "plugin.py", "--strategy", "broken,none",
        "--tensorboard", "logs",
    )  # fmt: skip
    assert done.returncode == 1
    assert "1 of 2 cells failed" in done.stderr
    assert "leaderboard.md was not made by this command" in done.stderr
    trace = re.search(r"failed: test_resnet \| broken \| seed 0; traceback: (\S+)", done.stderr)
    assert trace
    assert "nobody can train this" in (tmp_path / trace[1]).read_text()
    status = {
        record["strategy"]: record["status"]
        for record in map(json.loads, (p.read_text() for p in tmp_path.glob("runs/tiny/records/*/*.json")))
    }
    assert status == {"broken": "failed", "none": "done"}
    assert [path.parent.name for path in tmp_path.glob("logs/tiny/test_resnet/*/events*")] == ["none-seed0"]


def test_sigterm_while_starting_says_how_to_go_on(tmp_path: Path) -> None:
    arguments = ["run", "--all", "--suite", str(write_suite(tmp_path))]
    code, _, errors = interrupted(tmp_path, signal.SIGTERM, "Suite tiny", *arguments)
    assert code == 130
    assert "Traceback" not in errors
    assert f"python -m benchmarks {shlex.join(arguments)}" in errors


def test_plan_and_dry_run_count_what_is_to_do_and_train_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--suite", str(write_suite(tmp_path)), "--device", "cpu", "--seeds", "2"]
    assert main(["plan", *options]) == 0
    plan = capsys.readouterr().out
    assert "cells: 6, 0 done" in plan
    assert "jobs: 12 (12 without sharing), 12 to train" in plan
    assert "epochs: 12 (12 without sharing), 12 to train" in plan
    assert main(["run", "--all", "--dry-run", *options]) == 0
    assert capsys.readouterr().out == plan
    assert not (tmp_path / "runs").exists()
    assert main(["plan", *options, "--protocol", "joint", "--strategy", "over*,none"]) == 0
    assert "Suite tiny-joint" in capsys.readouterr().out
