"""Real CUDA errors are told apart as `gpu_errors` promises."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from benchmarks.support.gpu_errors import device_lost, out_of_memory

BREAKS = """
import torch
from benchmarks.support.gpu_errors import device_lost
for _ in range(2):  # the error of the first call comes back in the second
    try:
        torch.zeros(3, device="cuda")[torch.tensor([7], device="cuda")].cpu()
    except RuntimeError as error:
        print(device_lost(error))
"""


def test_an_index_out_of_range_on_the_gpu_loses_it_for_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", BREAKS], capture_output=True, text=True)
    assert done.stdout.split() == ["True", "True"], done.stderr


def test_too_large_a_tensor_runs_out_of_memory_and_leaves_the_gpu_usable() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**50, dtype=torch.uint8, device="cuda")
    assert out_of_memory(raised.value) and not device_lost(raised.value)
    assert torch.ones(2, device="cuda").sum().item() == 2
