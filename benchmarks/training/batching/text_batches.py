"""The names of a stage's rows as numbers, and batches for networks that read nothing else. N rows, T words."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import numpy as np
import torch

from benchmarks.data.base import Loaded
from benchmarks.data.text.vocabulary import Vocabulary
from benchmarks.data.text.words import class_words, without
from benchmarks.planning.stages import Stage
from benchmarks.training.batching.on_device import to_device


@functools.lru_cache(maxsize=4)  # the jobs of a stage share them
def stage_names(loaded: Loaded, stages: tuple[Stage, ...], stage: int, mask: bool) -> tuple[np.ndarray, int]:
    """Return the names of all rows as numbers of the stage's vocabulary, int32 [N, T], and the vocabulary's size.

    The vocabulary comes from the training rows of the stages up to this one, in their order. `mask` removes the words
    of all class names from every row. Raises `ValueError` for data without names.
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


class NameBatcher:
    """Makes batches for a network that reads the name alone: images are empty, [B, 3, 0, 0].

    `tokens_NT`: the names of all rows, int32 [N, T]; rows are global.
    """

    def __init__(self, tokens_NT: np.ndarray, device: torch.device) -> None:
        self.device = device
        self._tokens_NT = torch.from_numpy(tokens_NT).to(device)

    def tokens(self, rows_B: np.ndarray) -> torch.Tensor:
        """Return the names of the rows, int32 [B, T]."""
        return self._tokens_NT[to_device(rows_B, self.device)]

    def evaluations(self, rows_B: np.ndarray) -> Iterator[torch.Tensor]:
        """Yield float32 [B, 3, 0, 0]."""
        yield torch.zeros(len(rows_B), 3, 0, 0, device=self.device)

    def epoch(self, rows_N: np.ndarray, size: int, *key: int | str) -> Callable[[slice], torch.Tensor]:
        """Return a function that gives float32 [B, 3, 0, 0] for any slice of the rows."""
        return torch.zeros(len(rows_N), 3, 0, 0, device=self.device).__getitem__
