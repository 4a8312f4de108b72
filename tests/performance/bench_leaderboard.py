"""How long the leaderboards of 1,000 records take, imports included: the promise is under three seconds."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.records import storage
from tests.leaderboard import make


@pytest.fixture(scope="module")
def thousand(tmp_path_factory):
    """Write 1,000 records of the study's size: 10 backbones x 20 strategies x 5 seeds."""
    out = tmp_path_factory.mktemp("thousand")
    shapes = [[make.fashion("resnet10t", strategy, seed) for seed in range(5)] for strategy in make.STRATEGIES]
    for b in range(10):
        for s in range(20):
            for seed in range(5):
                strategy = "none" if s == 0 else f"strategy-{s}"
                changes = {"backbone": f"backbone{b}", "strategy": strategy}
                storage.write(dataclasses.replace(shapes[s % 5][seed], **changes), out)
    return out


def bench_thousand_records(benchmark, thousand: Path) -> None:
    """One fresh process: imports, reading, tables, writing."""
    code = (
        "import sys; from pathlib import Path; from benchmarks.leaderboard import files; files.write(Path(sys.argv[1]))"
    )
    benchmark.pedantic(lambda: subprocess.run([sys.executable, "-c", code, str(thousand)], check=True), rounds=3)
    pages = list(thousand.glob("fashion-small/per-class/*.md"))
    benchmark.extra_info["seconds_promised"] = 3.0
    assert len(pages) == 10
