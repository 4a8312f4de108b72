"""Content keys, and random draws: functions of (seed, stage, epoch, position) and of nothing that ran before."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from backbones.seeds import seed_for

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def content_key(content: Any) -> str:
    """Return 20 hex digits that change whenever `content` (plain JSON values) changes."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def generator(*parts: int | str) -> np.random.Generator:
    """Return a NumPy generator keyed by the parts, such as `(seed, stage, epoch, "order")`."""
    return np.random.Generator(np.random.Philox(key=seed_for(*parts)))


def _mix(x: np.ndarray) -> np.ndarray:
    """Finalise splitmix64 on a uint64 array."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def sample_bits(key: int, samples_B: np.ndarray, draws: int) -> np.ndarray:
    """Return uint64 [B, draws]: bits of each sample under `key`, the same in any batch that has the sample.

    `key` is `seed_for(seed, stage, epoch, purpose)`; `samples_B` are the samples' positions in the epoch's order.
    """
    with np.errstate(over="ignore"):
        base_B1 = _mix(np.asarray(samples_B, dtype=np.uint64)[:, None] * _GOLDEN + np.uint64(key))
        steps_1K = (np.arange(1, draws + 1, dtype=np.uint64) * _GOLDEN)[None, :]
        return _mix(base_B1 + steps_1K)


def sample_uniforms(key: int, samples_B: np.ndarray, draws: int) -> np.ndarray:
    """Return float64 [B, draws] in [0, 1), keyed like `sample_bits`."""
    return (sample_bits(key, samples_B, draws) >> np.uint64(11)).astype(np.float64) * 2.0**-53
