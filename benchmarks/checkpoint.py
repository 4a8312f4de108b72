"""States of trainings on disk: tensors in safetensors, numbers in its header, written atomically. No pickle."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor


class CheckpointError(Exception):
    """A checkpoint that is truncated, foreign or altered; the message is one sentence."""


def save(path: Path, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
    """Write `tensors` and `numbers` (plain JSON values) to `path`, atomically and with a checksum."""
    flat = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    header = {"numbers": json.dumps(dict(numbers), sort_keys=True), "sha256": _digest(flat)}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    save_file(flat, temporary, metadata=header)
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return what `save` wrote. Raises CheckpointError where the file is not that, whole."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
        numbers = json.loads(header["numbers"])
    except (OSError, SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise CheckpointError(
            f"checkpoint {path} cannot be read ({type(error).__name__}); it is left aside."
        ) from error
    if _digest(tensors) != header.get("sha256"):
        raise CheckpointError(f"checkpoint {path} does not match its checksum; it is left aside.")
    return tensors, numbers


def _digest(tensors: Mapping[str, Tensor]) -> str:
    """Hash names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def pack_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimiser's tensors under flat names."""
    return {
        f"optimizer.{index}.{name}": torch.as_tensor(value)
        for index, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
        if value is not None
    }


def unpack_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `pack_optimizer` took."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, field = name.split(".", 2)
            like = parameters[int(index)]
            # The fused kernels read raw memory: a buffer must lie in memory as its parameter does.
            value = torch.empty_like(like).copy_(tensor) if tensor.shape == like.shape else tensor
            state.setdefault(int(index), {})[field] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
