"""What `throughput` counts: waits as torch reports them, and operations."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import pytest
import torch

from benchmarks.tools import throughput

WAIT = "called a synchronizing CUDA operation (function warn_or_error_on_sync)"


def test_waits_are_those_between_the_first_step_and_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[str] = []
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)

    def one_epoch(training, on_step) -> None:
        for step in range(5):
            for _ in range(7 if step == 0 else 2):  # constants are copied in the first step
                warnings.warn(WAIT, stacklevel=1)
            warnings.warn("of something else", stacklevel=1)
            on_step(training.epoch, step)
        warnings.warn(WAIT, stacklevel=1)  # an epoch's loss

    monkeypatch.setattr(throughput, "one_epoch", one_epoch)
    assert throughput.waits_per_step(SimpleNamespace(epoch=0)) == 2
    assert modes == ["warn", "default"]


def test_operations_of_a_resnet50_are_those_that_are_published() -> None:
    forward = 2 * 4.09e9  # multiply-adds of an image of 224 px (He et al.), each two operations
    assert throughput.flops_per_image("resnet50", 224) == pytest.approx(3 * forward, rel=0.03)
