"""How many CPU threads this process computes with. Importing it imports no library."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from benchmarks.support.hardware import idle_cores, usable_cores


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


def default_threads(work: Path, *, restarted: bool = False) -> tuple[int | None, str]:
    """Return the CPU threads of a run whose work is in the folder `work`, and a sentence about the choice.

    They are the idle cores, so that runs on a busy machine do not wait for each other; None and "" if the environment
    sets OMP_NUM_THREADS. A run that was `restarted`, or continues from checkpoints, keeps its number, and with it the
    bits of its results.
    """
    if os.environ.get("OMP_NUM_THREADS"):
        return None, ""
    with contextlib.suppress(OSError, ValueError):
        noted = int(_note(work).read_text())
        if noted > 0 and (restarted or any(work.glob("jobs/*/*checkpoint.safetensors"))):
            return noted, f"{_threads(noted)}, as the run that is continued."
    threads, cores = idle_cores(), usable_cores()
    others = "" if threads == cores else ", the others are busy"
    cores_of = f"{cores} core{'' if cores == 1 else 's'}{others}"
    return threads, f"{_threads(threads)} on {cores_of}; --threads N sets another number."


def note_threads(work: Path) -> None:
    """Note the threads that this process computes with for a run that continues this one."""
    import torch

    from backbones.files import write_bytes

    with contextlib.suppress(OSError):  # a full disk: the next run chooses again
        write_bytes(_note(work), str(torch.get_num_threads()).encode())


def _note(work: Path) -> Path:
    return work / "threads"


def _threads(number: int) -> str:
    return f"Computing with {number} CPU thread{'' if number == 1 else 's'}"
