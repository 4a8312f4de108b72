"""Batches of stored features: the views of a row take turns in training, and all count in testing.

V views, N rows of the data set, B batch, F features, T words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from backbones.seeds import seed_for
from benchmarks.support.keys import sample_uniforms
from benchmarks.training.batching.on_device import to_device


class FeatureBatcher:
    """Makes batches of one-pixel "images" [B, F, 1, 1] (see `backbones/frozen.py`) from stored features.

    `features_VNF`: float32 features of every view of every row of the data set; rows are global. `tokens_NT`: the names
    of all rows, int32 [N, T], for networks that read them.
    """

    def __init__(self, features_VNF: np.ndarray, device: torch.device, tokens_NT: np.ndarray | None = None) -> None:
        self.features_VNF, self.device = features_VNF, device
        self._tokens_NT = None if tokens_NT is None else torch.from_numpy(tokens_NT).to(device)

    def tokens(self, rows_B: np.ndarray) -> torch.Tensor | None:
        """Return the names of the rows, int32 [B, T]; None where no names are read."""
        return None if self._tokens_NT is None else self._tokens_NT[to_device(rows_B, self.device)]

    def evaluations(self, rows_B: np.ndarray) -> Iterator[torch.Tensor]:
        """Yield float32 [B, F, 1, 1] of each view; a row's outputs are the mean over them."""
        for features_NF in self.features_VNF:
            yield self._on_device(features_NF[rows_B])

    def training(self, rows_B: np.ndarray, positions_B: np.ndarray, size: int, *key: int | str) -> torch.Tensor:
        """Return float32 [B, F, 1, 1], a view of each row drawn by `key`, which is (seed, stage, epoch)."""
        uniforms_B = sample_uniforms(seed_for(*key, "view"), positions_B, 1)[:, 0]
        return self._on_device(self.features_VNF[(uniforms_B * len(self.features_VNF)).astype(np.int64), rows_B])

    def epoch(self, rows_N: np.ndarray, size: int, *key: int | str) -> Callable[[slice], torch.Tensor]:
        """Return what gives `training` of any slice of an epoch's rows; a GPU gets the whole epoch here."""
        positions_N = np.arange(len(rows_N))
        if self.device.type == "cpu":
            return lambda part: self.training(rows_N[part], positions_N[part], size, *key)
        return self.training(rows_N, positions_N, size, *key).__getitem__

    def _on_device(self, features_BF: np.ndarray) -> torch.Tensor:
        return to_device(features_BF, self.device)[:, :, None, None]
