"""Which class was predicted for which: counted when a cell is scored, stored in its record, read for the tables.

In the record it is `extra["confusions"][stage]`, a list of [class, taken for, test rows] without the hits; classes are
positions in the stage's `classes`.
"""

from __future__ import annotations

import numpy as np

from benchmarks.records.record import Record


def count(logits_NC: np.ndarray, labels_N: np.ndarray, hits_N: np.ndarray) -> list[list[int]]:
    """Return [class, taken for, rows] of the misses, in order of the classes; `hits_N` are top-1 hits (`hits.hits`).

    A miss counts for the class with the highest logit except its own; a row with a NaN logit is not counted.
    """
    classes = logits_NC.shape[1]
    counted_N = ~hits_N & ~np.isnan(logits_NC).any(axis=1)
    logits_MC, labels_M = logits_NC[counted_N].astype(np.float64), labels_N[counted_N]
    logits_MC[np.arange(len(labels_M)), labels_M] = -np.inf
    pairs, rows = np.unique(labels_M * classes + logits_MC.argmax(axis=1), return_counts=True)
    return [[int(p) // classes, int(p) % classes, int(n)] for p, n in zip(pairs, rows, strict=True)]


def of_stage(record: Record, stage: int) -> np.ndarray | None:
    """Return int64 [C, C], test rows of the first axis's class taken for the second's; None if the record has none."""
    result = record.stages[stage]
    kept = record.extra.get("confusions", {}).get(result.name)
    if kept is None:
        return None
    taken_CC = np.zeros((len(result.classes), len(result.classes)), dtype=np.int64)
    for label, other, rows in kept:
        taken_CC[label, other] = rows
    return taken_CC


def mean(records: tuple[Record, ...] | list[Record], stage: int) -> np.ndarray | None:
    """Return float64 [C, C], the mean of `of_stage` over seeds; None if a record has none."""
    kept = [of_stage(record, stage) for record in records]
    return None if not kept or any(one is None for one in kept) else np.mean(np.array(kept), axis=0)
