"""The training loop over the bare step and over a plain script; at length: `python -m benchmarks throughput`.

Reference: ratios of at least 0.95 (resnet50) and 0.90 (resnet10t, mobilenetv3_small) over the bare step, and of 1.7
(resnet50) and 2 (resnet10t) over the plain script, at 64 px on two CPU cores that compute in bfloat16.
"""

from __future__ import annotations

import dataclasses

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.tools.throughput import measure


@pytest.mark.parametrize("backbone", ["resnet10t", "mobilenetv3_small", "resnet50"])
def bench_training_loop(benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str], backbone: str) -> None:
    speed = benchmark.pedantic(
        measure, (backbone,), {"device": torch.device("cpu"), "steps": 4, "rounds": 3}, rounds=1, iterations=1
    )
    benchmark.extra_info.update(dataclasses.asdict(speed))
    with capsys.disabled():
        print(
            f"\n{backbone} ({speed.layout} {speed.dtype}): loop {speed.loop_img_per_s:.0f} img/s, "
            f"{speed.loop_over_bare:.2f} of the bare step, {speed.loop_over_plain:.2f} times the plain script"
        )
    assert speed.loop_img_per_s > 0
