"""Test cases for the clauses: ordinary and odd class counts, points in training, batches. B batch, C classes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
import torch

from strategies.base import Batch, Facts, Progress

ORDINARY = {"a long tail": (500, 120, 30, 7, 4, 2), "balanced counts": (25, 25, 25, 25), "two classes": (90_000, 2)}
ODD = {
    "an empty class": (40, 0, 10, 0, 3),
    "classes of one sample": (500, 1, 1),
    "one sample each": (1, 1, 1),
    "one class with samples": (0, 12, 0),
    "9,000,000 to 1": (9_000_000, 1),
}
PROGRESS = [Progress(epoch, epochs) for epochs in (1, 3, 10) for epoch in sorted({0, epochs - 1})]
BATCH, SIDE_PX = 5, 8


@dataclasses.dataclass(frozen=True)
class Case:
    """Counts with a name, as facts of a stage."""

    name: str
    facts: Facts

    @property
    def present(self) -> list[int]:
        """The classes that have samples."""
        return [c for c, n in enumerate(self.facts.counts_C) if n]


def ordinary() -> list[Case]:
    """Return counts as in real data sets, for both stages, with and without validation accuracy."""
    return _cases(ORDINARY)


def odd() -> list[Case]:
    """Return counts with empty and one-sample classes, for both stages, with and without validation accuracy."""
    return _cases(ODD)


def _cases(counts: dict[str, tuple[int, ...]]) -> list[Case]:
    return [
        Case(name, Facts(counts_C, tuple(f"class {c}" for c in range(len(counts_C))), stage, accuracy_C))
        for name, counts_C in counts.items()
        for stage in (1, 2)
        for accuracy_C in (None, tuple(math.nan if n < 3 else (c % 3) / 2 for c, n in enumerate(counts_C)))
    ]


def paired(cases: list[Case]) -> list[Case]:
    """Return half of the cases, for clauses that train a step: two of the four per set of counts.

    They alternate: the first stage without validation accuracy and the second with it, then the other way round.
    """
    return [case for i, case in enumerate(cases) if i % 4 in ((0, 3) if i // 4 % 2 == 0 else (1, 2))]


def batches(case: Case) -> Iterator[tuple[str, Batch]]:
    """Yield two named batches: one of all classes that have samples, one of the rarest of these alone."""
    rarest = min(case.present, key=lambda c: case.facts.counts_C[c])
    labels = {"": [case.present[b % len(case.present)] for b in range(BATCH)], " of one class": [rarest] * BATCH}
    for name, classes in labels.items():
        labels_B = torch.tensor(classes)
        y_BC = torch.nn.functional.one_hot(labels_B, case.facts.num_classes).float()
        images_BCHW = torch.rand(BATCH, 3, SIDE_PX, SIDE_PX, generator=torch.Generator().manual_seed(1))
        yield f"a batch{name}, {case.name}", Batch(images_BCHW, labels_B, y_BC)


def samples(case: Case) -> tuple[np.ndarray, np.ndarray, Facts]:
    """Return labels [N], features [N, 4] float32 clustered by class, and the facts for these samples.

    Each class has as many samples as the case counts, but at most 30.
    """
    counts_C = tuple(min(n, 30) for n in case.facts.counts_C)
    labels_N = np.repeat(np.arange(len(counts_C)), counts_C)
    noise_NF = np.random.Generator(np.random.Philox(key=5)).normal(size=(len(labels_N), 4))
    features_NF = (noise_NF + 3 * labels_N[:, None]).astype(np.float32)
    return labels_N, features_NF, dataclasses.replace(case.facts, counts_C=counts_C)
