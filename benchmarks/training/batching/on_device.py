"""Decoded images in GPU memory, so that batches need no copy."""

from __future__ import annotations

import numpy as np
import torch

PIECE_BYTES = 64 * 2**20


def fits(images_NHWC: np.ndarray, device: torch.device) -> bool:
    """Whether the device is a GPU and the array takes at most half of its free memory."""
    return device.type == "cuda" and images_NHWC.nbytes < torch.cuda.mem_get_info(device)[0] // 2


def copy_to(images_NHWC: np.ndarray, device: torch.device) -> torch.Tensor:
    """Return a copy of the array on the device, made in pieces: the memory map is never read into memory as a whole."""
    made_NHWC = torch.empty(images_NHWC.shape, dtype=torch.uint8, device=device)
    rows = max(1, PIECE_BYTES // max(1, images_NHWC[:1].nbytes))
    for at in range(0, len(images_NHWC), rows):
        piece_NHWC = np.array(images_NHWC[at : at + rows])  # a copy: torch cannot wrap read-only memory
        made_NHWC[at : at + rows] = torch.from_numpy(piece_NHWC).to(device)
    return made_NHWC


def to_device(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """Return the array as a tensor on the device; copies to a GPU are asynchronous."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
