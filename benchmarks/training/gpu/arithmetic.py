"""How a GPU computes in float32: exactly, or with the 10-bit mantissas of TensorFloat-32 (TF32)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch


@contextlib.contextmanager
def float32_arithmetic(tf32: bool) -> Iterator[None]:
    """Inside the block, compute float32 products and convolutions on a GPU in TF32, or exactly; no effect on the CPU.

    Products of lower precision, such as bfloat16 under autocast, are not affected.
    """
    # by default, torch uses TF32 in convolutions and recurrent layers
    switches: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [switch.allow_tf32 for switch in switches]
    try:
        for switch in switches:
            switch.allow_tf32 = tf32
        yield
    finally:
        for switch, allowed in zip(switches, before, strict=True):
            switch.allow_tf32 = allowed
