"""`recommend` and `tune` leave the same records on Ray as in one process."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from benchmarks.cli import main
from benchmarks.records import storage
from benchmarks.running.ray import cluster
from benchmarks.tools.recommend import setup
from tests.process import write_suite

pytest.importorskip("ray", reason="Ray is not installed (the extra `ray`)")
from tests.running.ray.nodes import Nodes, timeless

SUITE = ["--suite", "tiny.toml", "--threads", "1", "--device", "cpu"]
RECOMMEND = ["recommend", *SUITE, "--strategy", "logit-adjust-posthoc", "--backbone", "test_resnet", "--budget", "1h"]
TUNE = ["tune", *SUITE, "--strategy", "none", "--backbone", "test_resnet", "--trials", "2"]


def records(out: Path) -> dict[Path, dict]:
    """Return all records below a folder, those of trials too, without times."""
    paths = [*out.glob("*/records/*/*.json"), *out.glob(".work/trials/*/records/*/*.json")]
    return {path.relative_to(out): timeless(storage.read(path)) for path in paths}


def test_both_leave_the_records_of_a_local_run(nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_suite(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(setup, "installed", lambda name: None)  # a small network is trained from scratch
    monkeypatch.setattr(cluster, "joined", lambda address: contextlib.nullcontext())  # this process is connected
    for where, executor in (("there", "ray"), ("here", "local")):
        assert main([*RECOMMEND, "--executor", executor, "--out", where]) == 0
        assert main([*TUNE, "--executor", executor, "--out", where]) == 0
    assert len(records(tmp_path / "here")) == 10 + 2 + 1  # five seeds of two strategies, two trials, the chosen one
    assert records(tmp_path / "there") == records(tmp_path / "here")
