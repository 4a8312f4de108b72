"""A record with validation results in place of test results, which may therefore be used to choose settings."""

from __future__ import annotations

import dataclasses

import numpy as np

from benchmarks.records.bits import pack_bits
from benchmarks.records.record import Record, StageResult


def on_validation(record: Record) -> Record:
    """Return the record with the counts of the validation rows in the place of those of the test rows.

    Top-5 is not known for them and counts as top-1; metrics of the test rows and `extra` are left out.
    """
    return dataclasses.replace(record, stages=tuple(map(_stage, record.stages)), extra={})


def _stage(stage: StageResult) -> StageResult:
    rows_C, hits_C = np.array(stage.validation_n), np.array(stage.validation_top1_hits)
    labels_N = np.repeat(np.arange(len(rows_C)), rows_C)
    place_N = np.concatenate([np.arange(rows) for rows in rows_C]) if len(rows_C) else labels_N
    bits = pack_bits(place_N < hits_C[labels_N], labels_N)
    hits = stage.validation_top1_hits
    return dataclasses.replace(
        stage, test_n=stage.validation_n, top1_hits=hits, top5_hits=hits, rows=len(labels_N), top1_bits=bits,
        top5_bits=bits, rows_key="", metrics={}, reliability=(),
    )  # fmt: skip
