"""Time of the bare training step with our small-map convolutions over the same step with torch's, alternating.

Both run in the layout and precision that the probe chose, on tensors in memory; both keep freed memory.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from backbones.convolutions.small_maps import restore_convolutions
from backbones.network import Network, build
from backbones.probe import Choice, probe
from benchmarks.data.load import cache_folder
from benchmarks.tools.throughput import bare_steps
from benchmarks.training.allocator import keep_freed_memory

BATCH_SIZE, CLASSES = 64, 20
ROUNDS, STEPS = 8, 6  # the first round warms up


def _timed(network: Network, choice: Choice, px: int) -> Callable[[], float]:
    """Return a function that takes a few training steps and returns the milliseconds of one."""
    network.train().to(memory_format=choice.memory_format)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4, fused=True)
    images_BCHW = torch.rand(BATCH_SIZE, 3, px, px).to(memory_format=choice.memory_format)
    steps = bare_steps(network, optimizer, choice, images_BCHW, torch.arange(BATCH_SIZE) % CLASSES, STEPS)

    def run() -> float:
        started = time.perf_counter()
        steps()
        return 1000 * (time.perf_counter() - started) / STEPS

    return run


@pytest.mark.parametrize(
    ("backbone", "px"),
    [("resnet10t", 24), ("resnet10t", 32), ("resnet10t", 64), ("mobilenetv3_small", 64), ("resnet50", 64)],
)
def bench_step_over_torchs(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str], backbone: str, px: int
) -> None:
    keep_freed_memory()
    choice = probe(
        backbone, image_size=px, batch_size=BATCH_SIZE, device="cpu", cache_file=cache_folder() / "probe.json"
    )
    eased, plain = (build(backbone, CLASSES, image_size=px, seed=0) for _ in range(2))
    restore_convolutions(plain)
    ours, torchs = _timed(eased, choice, px), _timed(plain, choice, px)
    ms: list[tuple[float, float]] = []
    benchmark.pedantic(lambda: ms.append((ours(), torchs())), rounds=ROUNDS, iterations=1)
    ratio = statistics.median(one / other for one, other in ms[1:])
    our_ms, torchs_ms = (statistics.median(side) for side in zip(*ms[1:], strict=True))
    benchmark.extra_info.update({"ours_over_torchs": ratio, "our_ms": our_ms, "torchs_ms": torchs_ms})
    with capsys.disabled():
        print(
            f"\n{backbone} at {px} px ({choice.layout} {choice.dtype}): a step takes {our_ms:.0f} ms, {ratio:.2f} of "
            f"the {torchs_ms:.0f} ms with torch's convolutions"
        )
