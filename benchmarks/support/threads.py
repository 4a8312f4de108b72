"""How many CPU threads this process computes with. Importing it imports no library."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from pathlib import Path

from benchmarks.support.hardware import MOST_SIDE_BY_SIDE, free_memory_bytes, idle_cores, usable_cores
from benchmarks.support.words import counted

LOOKS = 12  # samples of the machine's load, 3 s in all
JOB_BYTES = 1 << 30  # free memory per job; resnet10t at 32 px needs 0.3 GB, larger networks more


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
    """How many `jobs` run in parallel, and the CPU `threads` of each (None: torch's default)."""

    jobs: int
    threads: int | None


def default_share(
    work: Path, *, jobs: int | None = None, threads: int | None = None, small: str = "", restarted: bool = False
) -> tuple[Share, str]:
    """Return how a run with the working folder `work` shares the CPU, and a sentence that explains the choice.

    `jobs` and `threads` are the user's, if given. A run gets the idle cores, so that runs on a busy machine do not wait
    for each other. `small` names, in the plural, what is too small to keep several cores busy, if the run trains that:
    jobs then run in parallel, as many as there are idle cores, but at most `MOST_SIDE_BY_SIDE` and no more than fit
    into free memory. If the user or OMP_NUM_THREADS sets the threads, jobs run one at a time unless the user also sets
    their number. A run that was `restarted`, or continues from checkpoints, keeps its number of threads, so that its
    results stay bit-identical.
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
    """Return how many `small` jobs to run in parallel on `idle` cores, and the reason for this number."""
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
    """Store this process's number of threads for a run that continues this one."""
    import torch

    from backbones.files import write_bytes

    with contextlib.suppress(OSError):  # a full disk: the next run chooses again
        write_bytes(_note(work), str(torch.get_num_threads()).encode())


def _note(work: Path) -> Path:
    return work / "threads"
