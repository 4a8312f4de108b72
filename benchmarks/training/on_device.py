"""The decoded images in an accelerator's memory, so that no batch is copied there."""

from __future__ import annotations

import numpy as np
import torch

PIECE_BYTES = 64 * 2**20


def fits(images_NHWC: np.ndarray, device: torch.device) -> bool:
    """Whether the whole array may live on the device: a GPU, and at most half of what is free there."""
    return device.type == "cuda" and images_NHWC.nbytes < torch.cuda.mem_get_info(device)[0] // 2


def copy_to(images_NHWC: np.ndarray, device: torch.device) -> torch.Tensor:
    """Return the array on the device, carried in pieces: a memory map is never held whole in this process's memory."""
    made_NHWC = torch.empty(images_NHWC.shape, dtype=torch.uint8, device=device)
    rows = max(1, PIECE_BYTES // max(1, images_NHWC[:1].nbytes))
    for at in range(0, len(images_NHWC), rows):
        piece_NHWC = np.array(images_NHWC[at : at + rows])  # a copy: torch takes no memory that is read-only
        made_NHWC[at : at + rows] = torch.from_numpy(piece_NHWC).to(device)
    return made_NHWC
