"""What counts as the same: bits on the CPU, a share of the rows on a GPU."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from benchmarks.planning.store import Store
from benchmarks.records import storage
from benchmarks.records.record import Record
from benchmarks.support.errors import UserError
from benchmarks.tools.recorded import find_done
from benchmarks.tools.verify import agreement, differences
from tests.leaderboard import make


def _record(device: str, wrong: int = 0) -> Record:
    """Return a record of one stage of 40 rows, the first `wrong` of which are no hits."""
    stage = make.stage_result(train_n=(9, 9), test_n=(30, 10), hits_N=np.arange(40) >= wrong)
    return make.record((dataclasses.replace(stage, jobs=("own", "companion")),), device=device)


@pytest.mark.parametrize(
    ("stored", "now", "wrong", "same"),
    [
        ("cpu", "cpu", 0, True), ("cpu", "cpu", 1, False), ("cuda", "cuda", 2, True), ("cuda", "cuda", 3, False),
        ("cuda", "cpu", 2, True), ("cpu", "cuda", 3, False),
    ],
)  # fmt: skip
def test_hits_may_differ_on_a_twentieth_of_the_rows_of_a_gpu_and_on_none_of_a_cpu(
    tmp_path: Path, stored: str, now: str, wrong: int, same: bool
) -> None:
    found = list(differences(_record(stored), _record(now, wrong), tmp_path / "out", tmp_path / "fresh"))
    assert found == ([] if same else [found[0]])
    if not same:
        assert f"top-1 hits differ on {wrong} of 40 rows, first on row 0 of class 'all 0' (stored True, now" in found[0]


@pytest.mark.parametrize("job", ["own", "companion"])
def test_predictions_are_compared_on_the_cpu_alone_companions_too_where_they_are_there(
    tmp_path: Path, job: str
) -> None:
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    for folder in (out, fresh):
        for key in ("own", "companion"):
            test_NC = np.full((3, 2), float(folder == out and key == job))
            Store(folder).write_predictions(key, test=test_NC, validation=np.empty((0, 2)))
    found = list(differences(_record("cpu"), _record("cpu"), out, fresh))
    assert found == ["stage all: predictions 'test' differ on 3 of 3 rows, first on row 0, by up to 1"]
    assert list(differences(_record("cuda"), _record("cuda"), out, fresh)) == []
    assert list(differences(_record("cpu"), _record("cpu"), tmp_path / "none", fresh)) == []


def test_a_cell_of_several_suites_is_found_with_its_suite(tmp_path: Path) -> None:
    for suite in ("one", "two"):
        storage.write(make.record(suite=suite), tmp_path)
    assert find_done(tmp_path, "resnet10t|none|0", "two").suite == "two"
    with pytest.raises(UserError, match="is in the suites one, two; add --suite one, or name the record's file"):
        find_done(tmp_path, "resnet10t|none|0")


def test_what_was_compared_is_said(tmp_path: Path) -> None:
    assert agreement(_record("cuda"), _record("cuda"), tmp_path) == "hits, on all but 5% of the rows"
    assert agreement(_record("cpu"), _record("cpu"), tmp_path).endswith(
        "predictions were removed and could not be compared"
    )
    for key in ("own", "companion"):
        Store(tmp_path).write_predictions(key, test=np.zeros((3, 2)))
    assert agreement(_record("cpu"), _record("cpu"), tmp_path) == "bits"
