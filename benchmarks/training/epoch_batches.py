"""The batches of one epoch, cut from rows, labels and names that are copied to the device once. N rows, C classes."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.training.batching.on_device import to_device
from benchmarks.training.state import Training
from strategies.base import Batch


class EpochBatches:
    """Makes the batches of the rows `rows_N`, in their order, not yet mixed; `key` determines their augmentation.

    Rows are those of the data, or of `training.stored`, the features that a segment trains on.
    """

    def __init__(
        self, training: Training, rows_N: np.ndarray, size: int, key: tuple[int | str, ...], views: int = 1
    ) -> None:
        """Copy what the batches need to the device; images are `size` pixels a side, each row drawn `views` times."""
        self._views = [EpochBatches(training, rows_N, size, ("view", view, *key)) for view in range(1, views)]
        batcher, stored = training.batcher, training.stored
        self._classes, self._stored = training.facts.num_classes, stored
        labels_N = training.stage.labels_N if stored is None else stored.labels_M
        self._labels_N = to_device(labels_N[rows_N], batcher.device)
        if stored is None:
            self._images, self._tokens_NT = batcher.epoch(rows_N, size, *key), batcher.tokens(rows_N)
        else:
            self._rows_N = to_device(rows_N, batcher.device)

    def batch(self, part: slice) -> Batch:
        """Return the batch of the positions `part`, with its other views."""
        made = self._drawn(part)
        made.views = tuple(view.batch(part) for view in self._views)
        return made

    def _drawn(self, part: slice) -> Batch:
        labels_B = self._labels_N[part]
        # `one_hot` would check the labels' range, which takes three times as long
        y_BC = torch.zeros(len(labels_B), self._classes, device=labels_B.device).scatter_(1, labels_B[:, None], 1.0)
        if self._stored is not None:
            features_BF = self._stored.features_MF[self._rows_N[part]]
            return Batch(features_BF.new_zeros(len(labels_B), 0, 0, 0), labels_B, y_BC, features_BF)
        tokens_BT = None if self._tokens_NT is None else self._tokens_NT[part]
        return Batch(self._images(part), labels_B, y_BC, tokens_BT=tokens_BT)
