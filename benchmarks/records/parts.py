"""Head and tail rows of a joint classifier: hits where only the classes of a row's own part compete.

Two stages never score head against tail, one stage does: only so are the two compared like with like. In a record of
the joint protocol it is `extra["among_own_part"]["all"]`, one bit per test row as in `StageResult.top1_bits`.
Shape suffixes: N rows, C classes.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from benchmarks.records.bits import unpack_bits
from benchmarks.records.hits import hits
from benchmarks.records.record import Record

KEY = "among_own_part"
Part = Literal["head", "tail"]


def among_own_part(logits_NC: np.ndarray, labels_N: np.ndarray, head_classes: int) -> np.ndarray:
    """Return bool [N]: whether the label has the highest logit of its part's classes.

    The head is the first `head_classes` classes, the tail all others.
    """
    head_N, head_C = labels_N < head_classes, np.arange(logits_NC.shape[1]) < head_classes
    return hits(np.where(head_N[:, None] == head_C, logits_NC, -np.inf), labels_N, 1)


def own_hits(record: Record, part: Part) -> np.ndarray:
    """Return the hits of a joint record's part among its own classes, bool, class by class.

    KeyError for a record that does not have them.
    """
    return _of_part(record, record.extra[KEY]["all"], part)


def all_hits(record: Record, part: Part) -> np.ndarray:
    """Return the hits of a joint record's part among all classes, bool, class by class."""
    return _of_part(record, record.stages[0].top1_bits, part)


def _of_part(record: Record, bits: str, part: Part) -> np.ndarray:
    """Return the part's rows: bits are class by class, the head's first."""
    (stage,), head_classes = record.stages, int(record.setup.recipe["head_classes"])
    hits_N, head = unpack_bits(bits, stage.rows), sum(stage.test_n[:head_classes])
    return hits_N[:head] if part == "head" else hits_N[head:]
