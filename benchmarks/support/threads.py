"""How many CPU threads this process computes with. Importing it imports no library."""

from __future__ import annotations


def use_threads(threads: int | None) -> None:
    """Let torch use so many threads on the CPU (None: as many as it chose), and OpenCV one.

    Images are small: OpenCV's own threads would only compete with torch's. torch's number counts for the calling thread
    and for those started later.
    """
    import cv2
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    cv2.setNumThreads(1)
