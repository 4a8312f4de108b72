"""What the data say before anything is trained: counts, imbalance, classes with few rows, and whether rows suffice."""

from __future__ import annotations

import dataclasses

import numpy as np

from benchmarks.data.base import Loaded
from benchmarks.data.split import FEWEST as LEAST_TO_VALIDATE
from benchmarks.planning.stages import Stage
from benchmarks.support.words import some

BALANCED = 1.5  # largest class over smallest: up to here nothing is needed
FEW = 20  # training rows
LEAST_VALIDATION_ROWS = 30
MOST_NAMES = 5


@dataclasses.dataclass(frozen=True)
class Findings:
    """Rows per class, most training rows first; `train_C` counts validation rows too,
    `validation_C` those of all folds. `notes`: irregularities."""

    names: tuple[str, ...]
    train_C: tuple[int, ...]
    validation_C: tuple[int, ...]
    test_C: tuple[int, ...]
    notes: tuple[tuple[str, int], ...]

    @property
    def ratio(self) -> float:
        """Training rows of the largest class over those of the smallest."""
        return self.train_C[0] / self.train_C[-1]

    @property
    def balanced(self) -> bool:
        """Whether no class has many fewer rows than another."""
        return self.ratio <= BALANCED

    @property
    def too_few(self) -> str | None:
        """Why strategies cannot be compared, a sentence; None where they can."""
        rows, classes = sum(self.validation_C), sum(n > 0 for n in self.validation_C)
        if self.balanced or (classes >= 2 and rows >= LEAST_VALIDATION_ROWS):
            return None
        return (
            f"There are too few images to compare strategies: {rows} validation rows in {classes} of "
            f"{len(self.names)} classes, over all seeds. About {max(5, -(-LEAST_VALIDATION_ROWS // len(self.names)))} "
            "training images of every class would do."
        )

    def lines(self) -> list[str]:
        """Return sentences for people, the most telling first."""
        said = [
            f"{sum(self.train_C):,} training rows and {sum(self.test_C):,} test rows in {len(self.names)} classes: "
            f"{self.train_C[0]:,} in {self.names[0]}, {self.train_C[-1]:,} in "
            f"{self.names[-1]}, {self.ratio:.1f} to 1."
        ]
        few = [name for name, n in zip(self.names, self.train_C, strict=True) if n < FEW]
        if few:
            said.append(f"{_classes(len(few))} fewer than {FEW} training rows: {some(few[::-1], MOST_NAMES)}.")
        silent = [name for name, n in zip(self.names, self.validation_C, strict=True) if not n]
        if silent:
            said.append(
                f"{_classes(len(silent))} fewer than {LEAST_TO_VALIDATE} training rows and none to validate, so the "
                f"choice does not see them: {some(silent[::-1], MOST_NAMES)}."
            )
        untested = [name for name, n in zip(self.names, self.test_C, strict=True) if not n]
        if untested:
            said.append(f"{_classes(len(untested))} no test rows: {some(untested, MOST_NAMES)}.")
        return [*said, *(f"{count:,} {what}." for what, count in self.notes if count)]


def look(loaded: Loaded, stage: Stage, seeds: int) -> Findings:
    """Return the findings on the classes of a stage; `seeds` folds validate, one after the other."""
    data, counts = stage.data, stage.counts
    train_C = counts(data.train_rows) + counts(data.validation_rows)
    order_C = np.argsort(-train_C, kind="stable").tolist()
    return Findings(
        names=tuple(stage.names[c] for c in order_C),
        train_C=tuple(int(train_C[c]) for c in order_C),
        validation_C=tuple(min(int(train_C[c]), seeds * int(counts(data.validation_rows)[c])) for c in order_C),
        test_C=tuple(int(counts(data.test_rows)[c]) for c in order_C),
        notes=loaded.notes,
    )


def _classes(number: int) -> str:
    return "1 class has" if number == 1 else f"{number} classes have"
