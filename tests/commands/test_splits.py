"""`--resample-splits`: other test rows of the same sizes, in records, keys, pages, and for whom it is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.cli import main
from benchmarks.records import storage
from benchmarks.running.context import RunContext
from benchmarks.tools.recorded import find_done
from tests.making import digits_session, digits_suite
from tests.process import write_suite


def _rows(context: RunContext) -> set[str]:
    return {context.loaded.ids[row] for stage in context.stages for row in stage.data.test_rows}


def test_splits_have_rows_and_jobs_of_their_own_and_the_first_is_the_data_s(tmp_path: Path) -> None:
    plain, drawn = (digits_session(tmp_path, digits_suite(split=split)) for split in (0, 1))
    assert digits_session(tmp_path, digits_suite()).plan == plain.plan
    assert not plain.plan.jobs.keys() & drawn.plan.jobs.keys()
    assert plain.context.loaded.fingerprint == drawn.context.loaded.fingerprint
    assert len(_rows(plain.context)) == len(_rows(drawn.context))
    assert _rows(plain.context) != _rows(drawn.context)


def test_a_run_over_splits_pools_them_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite, out = write_suite(tmp_path), tmp_path / "runs"
    words = ["run", "--suite", str(suite), "--strategy", "none,oversample", "--threads", "1", "--out", str(out)]
    assert main([*words, "--resample-splits", "2"]) == 0
    said = capsys.readouterr().out
    assert "Split 1, of 2 that are counted from 0, the data's own." in said
    records = storage.read_below(out)
    assert sorted((r.strategy, r.seed, r.split) for r in records) == [
        (strategy, 0, split) for strategy in ("none", "oversample") for split in (0, 1)
    ]
    assert len({r.stages[0].rows_key for r in records}) == 2
    page = (out / "tiny/leaderboard.md").read_text()
    assert "**Two splits:**" in page and "**2 splits** of the data" in page and "different conditions" not in page
    ranking = next(line for line in page.splitlines() if line.startswith("| 1") and "none" in line)
    means = [np.mean([a / n for a, n in zip(r.stages[1].top1_hits, r.stages[1].test_n, strict=True)])
             for r in records if r.strategy == "none"]  # fmt: skip
    assert f"{np.mean(means):.3f}" in ranking and f"±\xa0{np.std(means, ddof=1):.3f}" in ranking
    assert find_done(out, "test_resnet|oversample|0|1").split == 1
    assert main(["verify", "test_resnet|none|0|1", "--suite", str(suite), "--out", str(out)]) == 0
    assert "the same bits" in capsys.readouterr().out
    assert main([*words, "--resample-splits", "2"]) == 0
    assert capsys.readouterr().out.count("nothing to do") == 2
    assert main(["explain", "9", "--out", str(out)]) == 0
    assert "1 seed, 2 splits" in capsys.readouterr().out


def test_data_with_a_split_of_its_own_refuses_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import cv2

    for part in ("train", "test"):
        for label in "abcd":
            for number in range(3):
                (tmp_path / "images" / part / label).mkdir(parents=True, exist_ok=True)
                image_HWC = np.full((8, 8, 3), number, dtype=np.uint8)
                cv2.imwrite(str(tmp_path / "images" / part / label / f"{number}.png"), image_HWC)
    words = ["plan", "--data", str(tmp_path / "images"), "--protocol", "joint", "--backbone", "test_resnet"]
    words += ["--strategy", "none", "--image-size", "16", "--set", "recipe.precision=float32"]
    assert main([*words, "--resample-splits", "2"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "comes with its own training and test rows" in error
    shutil.move(tmp_path / "images/train", tmp_path / "free")
    words[2] = str(tmp_path / "free")
    assert main([*words, "--resample-splits", "2"]) == 0
    assert "Split 1, of 2" in capsys.readouterr().out
