"""Batches of stored features: training draws one view of a row, evaluation averages over all views.

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
    """Features of augmented views of the rows `rows_M` (int64, ascending), used in `share` of these rows' draws."""

    features_KMF: np.ndarray
    rows_M: np.ndarray
    share: float

    def draw(self, rows_N: np.ndarray, positions_N: np.ndarray, *key: int | str) -> tuple[np.ndarray, np.ndarray]:
        """Return the augmented view drawn for each row (-1: none) and the row's index in `rows_M`, both int64 [N]."""
        views, rows, _ = self.features_KMF.shape
        at_N = np.minimum(np.searchsorted(self.rows_M, rows_N), rows - 1)
        uniforms_N2 = sample_uniforms(seed_for(*key, "minority"), positions_N, 2)
        drawn_N = (self.rows_M[at_N] == rows_N) & (uniforms_N2[:, 1] < self.share)
        return np.where(drawn_N, (uniforms_N2[:, 0] * views).astype(np.int64), -1), at_N


class FeatureBatcher:
    """Makes batches of one-pixel "images" [B, F, 1, 1] (see `backbones/frozen.py`) from stored features.

    `features_VNF`: float32 features of every view of every row of the data set; rows are global. `tokens_NT`: the names
    of all rows, int32 [N, T], for networks that read them. `augmented`: features of strongly augmented views.
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
        return self._drawn(rows_B, positions_B, *key)(slice(None))

    def epoch(self, rows_N: np.ndarray, size: int, *key: int | str) -> Callable[[slice], torch.Tensor]:
        """Return a function that gives `training` for a slice of an epoch's rows; a GPU gets the whole epoch here."""
        positions_N = np.arange(len(rows_N))
        if self.device.type == "cpu":
            return self._drawn(rows_N, positions_N, *key)
        return self.training(rows_N, positions_N, size, *key).__getitem__

    def _drawn(self, rows_N: np.ndarray, positions_N: np.ndarray, *key: int | str) -> Callable[[slice], torch.Tensor]:
        """Draw the views of all rows; return a function that gives the features of a slice of them."""
        uniforms_N = sample_uniforms(seed_for(*key, "view"), positions_N, 1)[:, 0]
        view_N = (uniforms_N * len(self.features_VNF)).astype(np.int64)
        augmented = self.augmented
        instead_N, at_N = augmented.draw(rows_N, positions_N, *key) if augmented else (view_N, view_N)

        def features(part: slice) -> torch.Tensor:
            features_BF = self.features_VNF[view_N[part], rows_N[part]]
            if augmented is not None:
                chosen = np.flatnonzero(instead_N[part] >= 0)
                features_BF[chosen] = augmented.features_KMF[instead_N[part][chosen], at_N[part][chosen]]
            return self._on_device(features_BF)

        return features

    def _on_device(self, features_BF: np.ndarray) -> torch.Tensor:
        return to_device(features_BF, self.device)[:, :, None, None]
