"""How long `--help` takes as a whole process, beside an empty interpreter."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pytest_benchmark.fixture import BenchmarkFixture


@pytest.mark.benchmark(group="start")
@pytest.mark.parametrize("arguments", [["-c", ""], ["-m", "benchmarks", "--help"]], ids=["empty", "help"])
def bench_start(benchmark: BenchmarkFixture, arguments: list[str]) -> None:
    command = [sys.executable, *arguments]
    options = {"capture_output": True, "check": True}
    done = benchmark.pedantic(subprocess.run, (command,), options, rounds=10, warmup_rounds=1)
    assert done.returncode == 0
