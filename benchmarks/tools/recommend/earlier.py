"""What strategies gained over plain training in earlier results: the validation rows of results/fashion-frozen-joint.

`python -m benchmarks.tools.recommend.earlier RECORDS` writes `earlier.csv` from the records of such a suite.
"""

from __future__ import annotations

import csv
import functools
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.records import storage
from benchmarks.records.record import Record
from benchmarks.tools.recommend.candidates import PLAIN

FILE = Path(__file__).with_name("earlier.csv")
CLASS_MEAN, TOP_1 = COLUMNS = ("class_mean", "top_1")


@functools.cache
def gains(goal: str) -> dict[str, float]:
    """Return the gain of each strategy in [-1, 1]: in top-1 for that goal, in class mean for the others."""
    with FILE.open(newline="") as file:
        return {row["strategy"]: float(row[TOP_1 if goal == "top-1" else CLASS_MEAN]) for row in csv.DictReader(file)}


def table(records: Sequence[Record]) -> str:
    """Return the content of `earlier.csv`: means over seeds, the highest class mean first."""
    found: dict[str, list[tuple[float, float]]] = {}
    for record in records:
        found.setdefault(record.strategy, []).append(_on_validation(record))
    means = {name: np.mean(of, axis=0) for name, of in found.items()}
    lines = [",".join(("strategy", *COLUMNS))]
    for name in sorted(means, key=lambda name: (-means[name][0], name)):
        class_mean, top_1 = means[name] - means[PLAIN]
        lines.append(f"{name},{class_mean:.4f},{top_1:.4f}")
    return "\n".join(lines) + "\n"


def _on_validation(record: Record) -> tuple[float, float]:
    """Return class mean and top-1 on the validation rows of the last stage."""
    stage = record.stages[-1]
    rows_C, hits_C = np.array(stage.validation_n), np.array(stage.validation_top1_hits)
    held_C = rows_C > 0
    return float((hits_C[held_C] / rows_C[held_C]).mean()), float(hits_C.sum() / rows_C.sum())


if __name__ == "__main__":
    FILE.write_text(table(storage.read_all(Path(sys.argv[1]))[0]))
