"""Every number as pandas, CSV and Parquet."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.records import frames, storage
from benchmarks.records.record import Record
from benchmarks.support.errors import UserError
from tests.leaderboard import make


def records() -> list[Record]:
    stage = make.stage_result(test_n=(30, 8, 0))
    wrong = [[c, 1 - c, n - hits] for c, (n, hits) in enumerate(zip((30, 8), stage.top1_hits, strict=False))]
    one = make.record((dataclasses.replace(stage, metrics={"nll": 0.5}),), extra={"confusions": {"all": wrong}})
    return [one, make.record(seed=1), dataclasses.replace(make.failed(seed=2), stages=())]


def test_rows_are_cells_and_stages_and_cells_and_classes() -> None:
    found = frames.frames(records())
    assert list(found.stages.stage.fillna("")) == ["all", "head", "tail", ""]
    assert list(found.stages.nll.fillna(-1)) == [0.5, -1, -1, -1]
    assert found.stages.iloc[-1].error == "out of memory"
    assert list(found.classes.groupby("seed").size()) == [3, 6]
    first, second, third = (row for _, row in found.classes[:3].iterrows())
    hits = records()[0].stages[0].top1_hits
    assert first.accuracy == pytest.approx(hits[0] / 30) and np.isnan(third.accuracy)
    assert first.precision == pytest.approx(hits[0] / (hits[0] + 8 - hits[1]))
    assert second["class"] == "all 1" and second.train_rows == 50 and np.isnan(second.validation_accuracy)


def test_csv_and_parquet_hold_the_same_numbers(tmp_path: Path) -> None:
    found = frames.frames(records())
    csv = frames.write_csv(found, tmp_path / "all.csv")
    parquet = frames.write_parquet(found, tmp_path / "all.parquet")
    assert [path.name for path in (*csv, *parquet)] == [
        "all.csv", "all-classes.csv", "all.parquet", "all-classes.parquet",
    ]  # fmt: skip
    for frame, text, binary in zip((found.stages, found.classes), csv, parquet, strict=True):
        pd.testing.assert_frame_equal(pd.read_csv(text), frame, check_dtype=False)
        pd.testing.assert_frame_equal(pd.read_parquet(binary), frame, check_dtype=False)
    with pytest.raises(UserError, match="cannot be written"):
        frames.write_csv(found, tmp_path / "all.csv" / "below.csv")


def test_no_records_still_have_columns_and_a_folder_without_any_is_an_error(tmp_path: Path) -> None:
    assert {"strategy", "macro_f1"} <= set(frames.frames([]).stages) and "precision" in frames.frames([]).classes
    with pytest.raises(UserError, match="holds no records"):
        frames.read(tmp_path)
    for record in records():
        storage.write(record, tmp_path)
    assert len(frames.read(tmp_path)[0]) == 3 == len(frames.read(tmp_path / "toy")[0])
