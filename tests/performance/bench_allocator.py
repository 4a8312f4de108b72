"""Time of the bare training step with freed memory kept over the same step without, in alternating processes."""

from __future__ import annotations

import statistics
import subprocess
import sys

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

ROUNDS = 5
STEPS = """
import sys
import time

import torch

from backbones.network import build
from backbones.probe import Choice
from benchmarks.tools.throughput import bare_steps
from benchmarks.training.allocator import keep_freed_memory

mode, backbone, px, dtype, steps = sys.argv[1:]
if mode == "kept":
    keep_freed_memory()
network = build(backbone, 20, image_size=int(px), seed=0).train().to(memory_format=torch.channels_last)
optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, fused=True)
images_BCHW = torch.rand(64, 3, int(px), int(px)).to(memory_format=torch.channels_last)
choice, labels_B = Choice("channels_last", dtype), torch.arange(64) % 20
bare_steps(network, optimizer, choice, images_BCHW, labels_B, int(steps))()
started = time.process_time()
bare_steps(network, optimizer, choice, images_BCHW, labels_B, 2 * int(steps))()
print(1000 * (time.process_time() - started) / (2 * int(steps)))
"""


def _step_ms(mode: str, *arguments: str) -> float:
    command = [sys.executable, "-c", STEPS, mode, *arguments]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize(
    ("backbone", "px", "dtype", "steps"),
    [("resnet10t", "32", "bfloat16", "10"), ("resnet10t", "64", "bfloat16", "5"),
     ("mobilenetv3_small", "64", "float32", "5")],
)  # fmt: skip
def bench_step_with_freed_memory_kept(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str], backbone: str, px: str, dtype: str, steps: str
) -> None:
    asked, ms = (backbone, px, dtype, steps), []
    benchmark.pedantic(
        lambda: ms.append((_step_ms("kept", *asked), _step_ms("given back", *asked))), rounds=ROUNDS, iterations=1
    )
    ratio = statistics.median(kept / given_back for kept, given_back in ms)
    benchmark.extra_info.update({"kept_over_given_back": ratio})
    with capsys.disabled():
        print(f"\n{backbone} at {px} px ({dtype}): a step takes {ratio:.2f} of its time without kept memory")
