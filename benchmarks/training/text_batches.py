"""The names of a stage's rows as numbers, resident beside the images, and batches without images. N rows, T words."""

from __future__ import annotations

import functools

import numpy as np
import torch

from benchmarks.data.base import Loaded
from benchmarks.data.text.vocabulary import Vocabulary
from benchmarks.data.text.words import class_words, without
from benchmarks.planning.stages import Stage
from benchmarks.training.batches import Batcher


@functools.lru_cache(maxsize=4)  # the jobs of a stage share them
def stage_names(loaded: Loaded, stages: tuple[Stage, ...], stage: int, mask: bool) -> tuple[np.ndarray, int]:
    """Return the names of all rows, int32 [N, T], in the numbers of a stage's vocabulary, and how many numbers it has.

    The vocabulary comes from the training rows of the stages up to this one, in their order. `mask` takes out the
    words of the names of all the data's classes, whichever class a row has.
    """
    if loaded.texts is None:
        raise ValueError(f"{loaded.name} has no product names")
    stems = class_words(loaded.class_names) if mask else frozenset()
    texts = [without(text, stems) for text in loaded.texts]
    vocabulary = Vocabulary()
    for earlier in stages:
        if earlier.data.stage <= stage:
            vocabulary = vocabulary.extended([texts[row] for row in earlier.data.train_rows])
    return vocabulary.encode(texts), len(vocabulary)


class NoImages(Batcher):
    """Batches for a network that reads the name alone: no image is touched."""

    def __init__(self, device: torch.device) -> None:
        """Give empty images on `device`."""
        self.device = device

    def evaluation(self, rows_B: np.ndarray) -> torch.Tensor:
        """Return float32 [B, 3, 0, 0]."""
        return torch.zeros(len(rows_B), 3, 0, 0, device=self.device)

    def training(self, rows_B: np.ndarray, positions_B: np.ndarray, size: int, *key: int | str) -> torch.Tensor:
        """Return float32 [B, 3, 0, 0]."""
        return self.evaluation(rows_B)
