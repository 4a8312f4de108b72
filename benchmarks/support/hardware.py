"""The machine and the libraries that a record was measured with. Imports none of them, except torch for a GPU."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import platform
import resource
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

PROJECT = "imbalance-benchmarks"
MOST_SIDE_BY_SIDE = 8  # small jobs in parallel, each of which needs memory
LOOK_SECONDS = 0.25
LIBRARIES = (
    "torch", "torchvision", "timm", "albumentations", "imbalanced-learn", "numpy",
    "opencv-python-headless", "pandas", "pyarrow", "scikit-learn",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Return the versions of "python", of this project ("benchmarks") and of `LIBRARIES`; imports none of them.

    Packages that are not installed are left out, such as this project in a checkout that was never installed. In a
    checkout, "commit" is what the first call found: the code this process runs, even if another is checked out later.
    """
    return dict(_versions())


@functools.cache  # every record has them, and finding them means parsing files
def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name, distribution in {"benchmarks": PROJECT, **{name: name for name in LIBRARIES}}.items():
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(distribution)
    if commit := checked_out(Path(__file__).parents[2]):
        found["commit"] = commit
    return found


def checked_out(root: Path) -> str | None:
    """Return the commit of the checkout at `root`, with "+" appended if tracked code differs; None without one."""
    if not (root / ".git").exists():  # an installed package may be inside another project's checkout
        return None
    code = ("--", "backbones", "benchmarks", "strategies")
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        commit, changes = (
            subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True, timeout=10)
            for words in (["rev-parse", "--short=10", "HEAD"], ["status", "--porcelain", "--untracked-files=no", *code])
        )
        return commit.stdout.strip() + ("+" if changes.stdout.strip() else "")
    return None


def hardware(device: str | torch.device = "cpu") -> dict[str, str | int]:
    """Return the hardware that a run on `device` ("cpu", "cuda" or "cuda:1") can use.

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

        if not torch.cuda.is_available():  # the driver of a Ray run, which trains on other machines
            return found
        properties = torch.cuda.get_device_properties(torch.device(device))
        found |= {"gpu": properties.name, "gpu_memory_bytes": properties.total_memory}
    return found


def machine(device: str | torch.device = "cpu") -> dict[str, str | int]:
    """Return the description of this machine for records: `hardware`, but with all of its cores."""
    return {**hardware(device), "cores": os.cpu_count() or 1}


def idle_gpus(device: str | torch.device) -> int:
    """Return how many GPUs of this machine a process that trains on `device` leaves idle; 0 on the CPU."""
    if not _is_cuda(device):
        return 0
    import torch

    return max(0, torch.cuda.device_count() - 1)


def restart_peak_memory(device: str | torch.device = "cpu") -> None:
    """Reset the peak that `peak_memory_bytes` returns; does nothing where the system cannot reset a process's peak.

    Other readings of this process's peak, such as getrusage, are reset too.
    """
    if _is_cuda(device):
        import torch

        torch.cuda.init()  # resetting before CUDA is initialised is an error in torch
        torch.cuda.reset_peak_memory_stats(torch.device(device))
        return
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_bytes(device: str | torch.device = "cpu") -> int:
    """Return the peak memory since `restart_peak_memory`, or since the start if that was not called.

    The resident memory of this process or, on a GPU, what torch allocated there.
    """
    if _is_cuda(device):
        import torch

        return torch.cuda.max_memory_allocated(torch.device(device))
    with contextlib.suppress(OSError):
        # getrusage would return the parent's peak if that was larger
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, others KiB


def _is_cuda(device: str | torch.device) -> bool:
    """Whether `device` is a CUDA GPU."""
    return str(device).partition(":")[0] == "cuda"


def usable_cores() -> int:
    """Return the number of cores that this process may use: those it is bound to, within its cgroup's limit."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min(cgroup_cores(), bound)))


def idle_cores(looks: int = 1) -> int:
    """Return how many of `usable_cores` other processes leave idle at the moment, at least one.

    The maximum of up to `looks` samples, stopping early once all cores are idle: one second of work by another process,
    such as an import, should not decide how a run of hours is set up.
    """
    most = 1
    for _ in range(looks):
        most = max(most, min(usable_cores(), round((os.cpu_count() or 1) - busy_cores())))
        if most == usable_cores():
            break
    return most


def others_at_work() -> bool:
    """Whether other processes keep a core busy that this process may use."""
    return idle_cores() < usable_cores()


def busy_cores(stat: Path = Path("/proc/stat")) -> float:
    """Return how many of the machine's cores are busy over `LOOK_SECONDS`; without `stat`, the last minute's load.

    The load average would still count work that has just ended, such as the previous run.
    """
    try:
        before = _cpu_times(stat)
        time.sleep(LOOK_SECONDS)
        after = _cpu_times(stat)
        spent, idle = sum(after) - sum(before), sum(after[3:5]) - sum(before[3:5])  # idle, and idle waiting for a disk
        return (os.cpu_count() or 1) * (spent - idle) / spent if spent else 0.0
    except (OSError, ValueError):
        return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def _cpu_times(stat: Path) -> list[int]:
    """Return the machine's time so far: user, nice, system, idle, waiting, interrupts (two), stolen."""
    return [int(number) for number in stat.read_text().splitlines()[0].split()[1:9]]


def cgroup_cores(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float:
    """Return the CPU quota of this process's cgroups in cores, infinity without a limit or cgroups."""
    limits = [math.inf]
    for folder in _cgroups(root, own):
        with contextlib.suppress(OSError, ValueError):  # "max 100000": no limit
            quota, period = (int(number) for number in (folder / "cpu.max").read_text().split())
            limits.append(quota / period)
    with contextlib.suppress(OSError, ValueError):  # cgroups of version 1
        quota, period = (int((root / "cpu" / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
        limits += [quota / period] if quota > 0 else []
    return min(limits)


def free_memory_bytes(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float:
    """Return the free memory of the machine, within the limits of this process's cgroups; infinity if unknown."""
    free = [math.inf]
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        free.append(1024 * int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]))
    for folder in _cgroups(root, own):
        with contextlib.suppress(OSError, ValueError):  # "max": no limit
            limit, held = (int((folder / f"memory.{name}").read_text()) for name in ("max", "current"))
            free.append(limit - held)
    with contextlib.suppress(OSError, ValueError):  # cgroups of version 1, where a huge limit means none
        limit, held = (int((root / "memory" / f"memory.{name}_in_bytes").read_text()) for name in ("limit", "usage"))
        free.append(limit - held)
    return max(0.0, min(free))


def _cgroups(root: Path, own: Path) -> set[Path]:
    """Return the folders of this process's cgroups, with those above them; none without cgroups of version 2."""
    with contextlib.suppress(OSError):
        paths = [line.split("::", 1)[1] for line in own.read_text().splitlines() if line.startswith("0::")]
        folders = [root / path.strip("/") for path in paths]
        return {above for start in folders for above in (start, *start.parents) if above.is_relative_to(root)}
    return set()


def _cpu_model() -> str:
    """Return the processor's name as the kernel gives it, else what `platform` knows."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
