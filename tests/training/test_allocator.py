"""A step's memory is not asked of the system anew: counted as page faults, in a process of its own."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

STEPS = """
import resource
import sys

import torch

from benchmarks.training.allocator import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()


def step():
    return [torch.ones(2_000_000) for _ in range(8)]


def resident_bytes():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()


at_first = resident_bytes()
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
if sys.argv[1] == "kept":
    print(resident_bytes() - at_first)
    keep_freed_memory()
print(resident_bytes() - at_first)
"""


# glibc's own values, from which it otherwise moves away as blocks are freed, by more or less luck.
ITS_VALUES = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}


def _run(mode: str) -> list[int]:
    command = [sys.executable, "-c", STEPS, mode]
    environment = {**os.environ, **ITS_VALUES}
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environment)
    return [int(line) for line in done.stdout.split()]


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is not glibc")
def test_steps_ask_for_no_memory_once_they_have_it_and_a_job_begins_with_none_left_over() -> None:
    faults_if_given_back, _ = _run("given back")
    faults, between_steps_bytes, at_the_next_job_bytes = _run("kept")
    assert faults < 1_000 < 10_000 < faults_if_given_back
    assert at_the_next_job_bytes < 20 * 2**20 < 60 * 2**20 < between_steps_bytes
