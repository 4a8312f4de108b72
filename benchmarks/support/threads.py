"""How many CPU threads this process computes with. Importing it imports no library."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from pathlib import Path

from benchmarks.support.hardware import MOST_SIDE_BY_SIDE, free_memory_bytes, idle_cores, usable_cores
from benchmarks.support.words import counted

LOOKS = 12  # at the load of the machine, 3 s in all
JOB_BYTES = 1 << 30  # free for each job; one of resnet10t at 32 px has 0.3 GB of its own, larger networks have more


def use_threads(threads: int | None) -> None:
    """Let torch use `threads` CPU threads (None: as many as it chose), and OpenCV one.

    Images are small: OpenCV's threads would only compete with torch's. The number applies to the calling thread and to
    threads started later.
    """
    import cv2
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    cv2.setNumThreads(1)


@dataclasses.dataclass(frozen=True)
class Share:
    """How many `jobs` are trained at a time, each with so many CPU `threads` (None: as many as torch chose)."""

    jobs: int
    threads: int | None


def default_share(
    work: Path, *, jobs: int | None = None, threads: int | None = None, small: str = "", restarted: bool = False
) -> tuple[Share, str]:
    """Return how a run whose work is in the folder `work` shares the CPU, and a sentence about what was chosen.

    `jobs` and `threads` are what the user asked for. A run gets the idle cores, so that runs on a busy machine do not
    wait for each other. `small` says in the plural what does not keep several cores busy, if the run trains that:
    there, jobs are trained side by side, as many as cores are idle, at most `MOST_SIDE_BY_SIDE`, no more than memory is
    free for. Where the user, or OMP_NUM_THREADS in the environment, sets the threads, jobs are trained one by one
    unless the user sets their number too. A run that was `restarted`, or continues from checkpoints, keeps its number
    of threads, and with it the bits of its results.
    """
    if threads is not None or os.environ.get("OMP_NUM_THREADS"):
        return Share(jobs or 1, threads), ""
    idle, cores, kept = idle_cores(LOOKS), usable_cores(), _kept(work, restarted)
    most, why = jobs or 1, "--threads N sets another number"
    if small and jobs is None and sys.platform == "linux":  # elsewhere libraries do not survive a fork
        most, why = _side_by_side(idle, kept, small)
    threads = kept or max(1, idle // most)
    others = "" if idle == cores else ", the others are busy"
    where = ", as the run that is continued" if kept else f" on {counted(cores, 'core')}{others}; {why}"
    each = counted(threads, "CPU thread")
    if most == 1:
        return Share(1, threads), f"Computing with {each}{where}."
    return Share(most, threads), f"Training {most} jobs side by side with {each} each{where}."


def _side_by_side(idle: int, kept: int | None, small: str) -> tuple[int, str]:
    """Return how many jobs on what is `small` to train side by side on `idle` cores, and why not more."""
    most = max(1, idle // (kept or -(-idle // MOST_SIDE_BY_SIDE)))
    room = max(1, int(min(free_memory_bytes() / JOB_BYTES, most)))
    if room < most:
        return room, f"there is memory for {counted(room, 'job')}, --jobs N sets another number"
    if most == 1:
        return 1, "--threads N sets another number"
    return most, f"{small} do not keep several cores busy; --jobs N and --threads N set other numbers"


def _kept(work: Path, restarted: bool) -> int | None:
    """Return the number of threads that a run has to keep because it is continued."""
    with contextlib.suppress(OSError, ValueError):
        noted = int(_note(work).read_text())
        if noted > 0 and (restarted or any(work.glob("jobs/*/*checkpoint.safetensors"))):
            return noted
    return None


def note_threads(work: Path) -> None:
    """Note the threads that this process computes with for a run that continues this one."""
    import torch

    from backbones.files import write_bytes

    with contextlib.suppress(OSError):  # a full disk: the next run chooses again
        write_bytes(_note(work), str(torch.get_num_threads()).encode())


def _note(work: Path) -> Path:
    return work / "threads"
