"""Training states on disk: safetensors files with numbers as JSON in the header, written atomically. No pickle."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from backbones.files import replacing

State = tuple[dict[str, Tensor], dict[str, Any]]  # tensors, and numbers as plain JSON values


class CheckpointError(Exception):
    """A checkpoint that is truncated, foreign or altered; the message is one sentence."""


def save(path: Path, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
    """Write `tensors` and `numbers` (plain JSON values) to `path`, atomically and with a checksum."""
    flat = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(dict(numbers), sort_keys=True)
    header = {"numbers": text, "sha256": _digest(flat), "numbers_sha256": _hash(text)}
    with replacing(path) as temporary:
        try:
            save_file(flat, temporary, metadata=header)
        except SafetensorError as error:  # such as a full disk: raise what other writers raise
            if number := re.search(r"os error (\d+)", str(error)):
                raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error
            raise OSError(f"{path.name} cannot be written: {error}") from error


def previous(path: Path) -> Path:
    """Return the path of the checkpoint before the one at `path`."""
    return path.with_name(f"previous-{path.name}")


def save_next(path: Path, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
    """Write a checkpoint to `path`, and keep the last one as `previous(path)`."""
    fresh = path.with_name(f"next-{path.name}")
    save(fresh, tensors, numbers)
    with contextlib.suppress(FileNotFoundError):
        os.replace(path, previous(path))
    os.replace(fresh, path)


def newest(path: Path, job: str) -> tuple[State | None, list[str]]:
    """Return the job's newest intact checkpoint, at `path` or `previous(path)`, and a sentence per damaged one."""
    damaged: list[str] = []
    for candidate in (path, previous(path)):
        if candidate.exists():
            try:
                tensors, numbers = load(candidate)
                if numbers.get("job") == job:
                    return (tensors, numbers), damaged
                damaged.append(f"checkpoint {candidate} is another job's; it is left aside.")
            except CheckpointError as error:
                damaged.append(str(error))
    return None, damaged


class Pace:
    """Decides when to take a checkpoint: after `seconds` within an epoch, usually earlier at the end of an epoch.

    At the end of an epoch it waits for `EPOCH_SECONDS` and for `MOST_OF_THE_TIME` times the duration of the last
    checkpoint, so that checkpoints take at most a twentieth of the time.
    """

    EPOCH_SECONDS = 5.0
    MOST_OF_THE_TIME = 20

    def __init__(self, seconds: float) -> None:
        """Start counting."""
        self._seconds, self._last, self._cost = seconds, time.monotonic(), 0.0

    def due(self, *, epoch_ended: bool) -> bool:
        """Whether to take a checkpoint now."""
        early = max(self.EPOCH_SECONDS, self.MOST_OF_THE_TIME * self._cost)
        return time.monotonic() - self._last >= (min(self._seconds, early) if epoch_ended else self._seconds)

    @contextlib.contextmanager
    def taking(self) -> Iterator[None]:
        """Measure the block as a checkpoint."""
        started = time.monotonic()
        yield
        self._last = time.monotonic()
        self._cost = self._last - started


def load(path: Path) -> State:
    """Return what `save` wrote. Raises `CheckpointError` for a file that is damaged or of another kind."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
        numbers = json.loads(header["numbers"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"checkpoint {path} cannot be read ({type(error).__name__}); it is left aside."
        ) from error
    if (_hash(header["numbers"]), _digest(tensors)) != (header.get("numbers_sha256"), header.get("sha256")):
        raise CheckpointError(f"checkpoint {path} does not match its checksum; it is left aside.")
    return tensors, numbers


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


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
    """Restore what `pack_optimizer` returned."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, field = name.split(".", 2)
            like = parameters[int(index)]
            # Fused kernels read raw memory: a buffer needs the memory layout of its parameter.
            value = torch.empty_like(like).copy_(tensor) if tensor.shape == like.shape else tensor
            state.setdefault(int(index), {})[field] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
