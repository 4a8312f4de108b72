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
from benchmarks.records.ranking import stage_means
from benchmarks.records.record import Record
from benchmarks.tools.recommend.candidates import PLAIN
from benchmarks.tools.tuning.on_validation import on_validation

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
        ((top_1, class_mean),) = stage_means(on_validation(record)).values()
        found.setdefault(record.strategy, []).append((class_mean, top_1))
    means = {name: np.mean(of, axis=0) for name, of in found.items()}
    lines = [",".join(("strategy", *COLUMNS))]
    for name in sorted(means, key=lambda name: (-means[name][0], name)):
        class_mean, top_1 = means[name] - means[PLAIN]
        lines.append(f"{name},{class_mean:.4f},{top_1:.4f}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    FILE.write_text(table(storage.read_all(Path(sys.argv[1]))[0]))
