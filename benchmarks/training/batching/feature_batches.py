"""Batches of stored features: the views of a row take turns in training, and all count in testing.

V views, N rows of the data set, K augmented views of M of them, B batch, F features, T words.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import torch

from backbones.seeds import seed_for
from benchmarks.support.keys import sample_uniforms
from benchmarks.training.batching.on_device import to_device


@dataclasses.dataclass(frozen=True, eq=False)
class AugmentedFeatures:
    """Features of augmented views of the rows `rows_M` (int64, ascending), which replace others in `share` of draws."""

    features_KMF: np.ndarray
    rows_M: np.ndarray
    share: float

    def put(self, features_BF: np.ndarray, rows_B: np.ndarray, positions_B: np.ndarray, *key: int | str) -> None:
        """Replace features, in place, by those of an augmented view where the row has some and `key` draws one."""
        views, rows, _ = self.features_KMF.shape
        at_B = np.minimum(np.searchsorted(self.rows_M, rows_B), rows - 1)
        uniforms_B2 = sample_uniforms(seed_for(*key, "minority"), positions_B, 2)
        chosen = np.flatnonzero((self.rows_M[at_B] == rows_B) & (uniforms_B2[:, 1] < self.share))
        view = (uniforms_B2[chosen, 0] * views).astype(np.int64)
        features_BF[chosen] = self.features_KMF[view, at_B[chosen]]


class FeatureBatcher:
    """Makes batches of one-pixel "images" [B, F, 1, 1] (see `backbones/frozen.py`) from stored features.

    `features_VNF`: float32 features of every view of every row of the data set; rows are global. `tokens_NT`: the names
    of all rows, int32 [N, T], for networks that read them. `augmented`: of rows that are augmented more strongly.
    """

    def __init__(
        self,
        features_VNF: np.ndarray,
        device: torch.device,
        tokens_NT: np.ndarray | None = None,
        augmented: AugmentedFeatures | None = None,
    ) -> None:
        self.features_VNF, self.device, self.augmented = features_VNF, device, augmented
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
        features_BF = self.features_VNF[(uniforms_B * len(self.features_VNF)).astype(np.int64), rows_B]
        if self.augmented is not None:
            self.augmented.put(features_BF, rows_B, positions_B, *key)
        return self._on_device(features_BF)

    def epoch(self, rows_N: np.ndarray, size: int, *key: int | str) -> Callable[[slice], torch.Tensor]:
        """Return what gives `training` of any slice of an epoch's rows; a GPU gets the whole epoch here."""
        positions_N = np.arange(len(rows_N))
        if self.device.type == "cpu":
            return lambda part: self.training(rows_N[part], positions_N[part], size, *key)
        return self.training(rows_N, positions_N, size, *key).__getitem__

    def _on_device(self, features_BF: np.ndarray) -> torch.Tensor:
        return to_device(features_BF, self.device)[:, :, None, None]
