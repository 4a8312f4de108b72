"""`throughput` on a GPU: no step waits, and the rate is a share of the card's peak where that is known."""

from __future__ import annotations

import pytest
import torch

from backbones.probe import probe
from benchmarks.support.gpu_peaks import bf16_peak
from benchmarks.tools.throughput import measure

GPU = torch.device("cuda")


def test_a_step_of_the_loop_does_not_wait(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("BENCHMARKS_CACHE", str(tmp_path))
    speed = measure("resnet10t", device=GPU, image_size=64, batch_size=64, steps=10, rounds=1)
    assert speed.waits == 0 and speed.loop_over_eager is not None
    known = bf16_peak(torch.cuda.get_device_name()) is not None and speed.dtype == "bfloat16"
    assert (speed.of_peak is not None) == known
    assert not known or 0 < speed.of_peak < 1


def test_the_probe_times_what_it_chooses() -> None:
    choice = probe("resnet10t", image_size=64, batch_size=64, device=GPU, seconds=0.5)
    assert choice.img_per_s[f"{choice.layout} {choice.dtype}"] > 0
