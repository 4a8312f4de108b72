"""Earlier results: the file that is shipped is made from the published records, and its columns follow the goal."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.records import storage
from benchmarks.tools.recommend import earlier

RECORDS = Path(__file__).parents[3] / "results" / "fashion-frozen-joint" / "records"


def test_the_file_is_what_the_published_records_give() -> None:
    records, problems = storage.read_all(RECORDS)
    assert not problems
    assert earlier.FILE.read_text() == earlier.table(records), (
        "`python -m benchmarks.tools.recommend.earlier results/fashion-frozen-joint/records` writes it"
    )


def test_gains_are_of_validation_rows_over_plain_training() -> None:
    records, _ = storage.read_all(RECORDS)
    means: dict[str, list[np.ndarray]] = {}
    for record in records:
        stage = record.stages[-1]
        rows_C, hits_C = np.array(stage.validation_n, float), np.array(stage.validation_top1_hits)
        means.setdefault(record.strategy, []).append(
            np.array([np.nanmean(hits_C[rows_C > 0] / rows_C[rows_C > 0]), hits_C.sum() / rows_C.sum()])
        )
    gain = np.mean(means["balanced-softmax"], axis=0) - np.mean(means["none"], axis=0)
    assert earlier.gains("class-mean")["none"] == 0
    assert abs(earlier.gains("class-mean")["balanced-softmax"] - gain[0]) < 1e-4
    assert abs(earlier.gains("macro-f1")["balanced-softmax"] - gain[0]) < 1e-4
    assert abs(earlier.gains("top-1")["balanced-softmax"] - gain[1]) < 1e-4
