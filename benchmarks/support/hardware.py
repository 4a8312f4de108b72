"""The machine and the libraries that a record was measured with. Asking imports none of them, but for a GPU torch."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import resource
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

PROJECT = "imbalance-benchmarks"
MOST_SIDE_BY_SIDE = 8
LIBRARIES = (
    "torch", "torchvision", "timm", "albumentations", "imbalanced-learn", "numpy",
    "opencv-python-headless", "pandas", "pyarrow", "scikit-learn",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Return the versions of "python", of this project ("benchmarks") and of `LIBRARIES`; imports none of them.

    What is not installed is left out: this project itself, where it runs from a checkout that was never installed.
    """
    return dict(_versions())


@functools.cache  # every record holds them, and they are found by parsing files
def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name, distribution in {"benchmarks": PROJECT, **{name: name for name in LIBRARIES}}.items():
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(distribution)
    return found


def hardware(device: str | torch.device = "cpu") -> dict[str, str | int]:
    """Return what a run on `device` ("cpu", "cuda" or "cuda:1") has at hand.

    `system`, `machine` and `cpu` are names, `cores` those this process may use, `memory_bytes` the machine's; on a
    GPU also `gpu`, its name, and `gpu_memory_bytes`, if this machine has one. torch is imported for a GPU only.
    """
    found: dict[str, str | int] = {
        "system": platform.system(),
        "machine": platform.machine(),
        "cpu": _cpu_model(),
        "cores": usable_cores(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    }
    if _is_cuda(device):
        import torch

        if not torch.cuda.is_available():  # of a run on Ray, which trains on other machines
            return found
        properties = torch.cuda.get_device_properties(torch.device(device))
        found |= {"gpu": properties.name, "gpu_memory_bytes": properties.total_memory}
    return found


def machine(device: str | torch.device = "cpu") -> dict[str, str | int]:
    """Return what a record says of the machine that this process runs on: `hardware`, with all of its cores."""
    return {**hardware(device), "cores": os.cpu_count() or 1}


def idle_gpus(device: str | torch.device) -> int:
    """Return how many GPUs of this machine a process that trains on `device` leaves idle; 0 on the CPU."""
    if not _is_cuda(device):
        return 0
    import torch

    return max(0, torch.cuda.device_count() - 1)


def threads_side_by_side(device: str | torch.device) -> int:
    """Return the CPU threads of each of several small trainings side by side, which beat one that takes every core.

    At most `MOST_SIDE_BY_SIDE` at a time, because each needs memory; 0 where there is nothing to share: on a GPU, on
    one core.
    """
    cores = usable_cores()
    return 0 if _is_cuda(device) or cores < 2 else -(-cores // MOST_SIDE_BY_SIDE)


def restart_peak_memory(device: str | torch.device = "cpu") -> None:
    """Let `peak_memory_bytes` count from here; where the system cannot forget a process's peak, it stays.

    What others read of this process, such as getrusage, then counts from here too.
    """
    if _is_cuda(device):
        import torch

        torch.cuda.init()  # before it there is nothing to reset, and torch says so by an error
        torch.cuda.reset_peak_memory_stats(torch.device(device))
        return
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_bytes(device: str | torch.device = "cpu") -> int:
    """Return the most bytes held since `restart_peak_memory`, or so far where nobody called it.

    Resident ones of this process, or on a GPU those torch allocated there.
    """
    if _is_cuda(device):
        import torch

        return torch.cuda.max_memory_allocated(torch.device(device))
    with contextlib.suppress(OSError):
        # getrusage would count the process that started this one too, where that was larger
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, others KiB


def _is_cuda(device: str | torch.device) -> bool:
    """Whether `device` is a CUDA GPU."""
    return str(device).partition(":")[0] == "cuda"


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu_model() -> str:
    """Return the processor's name as the kernel gives it, else what `platform` knows."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
