"""Confusions against a plain count, and what `explain` tells of a class: from records, in words and in errors."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarks.cli import main
from benchmarks.leaderboard import files
from benchmarks.progress.reporter import Reporters
from benchmarks.records import confusions, stats, storage
from benchmarks.records.bits import unpack_bits
from benchmarks.records.hits import hits
from benchmarks.running import local
from benchmarks.tools.explain import explain
from tests.leaderboard import make
from tests.making import digits_session


@given(arrays(np.float32, (12, 4), elements=st.sampled_from([-1.0, 0.0, 2.0, np.nan])), st.integers(0, 99))
def test_every_miss_is_counted_once_for_the_strongest_rival(logits_NC, seed):
    labels_N = np.random.default_rng(seed).integers(0, 4, 12)
    expected: Counter[tuple[int, int]] = Counter()
    for logits_C, label in zip(logits_NC, labels_N, strict=True):
        rivals = [c for c in range(4) if c != label]
        best = max(rivals, key=lambda c: (logits_C[c], -c))
        if not np.isnan(logits_C).any() and logits_C[best] >= logits_C[label]:
            expected[int(label), best] += 1
    assert {
        (label, other): rows
        for label, other, rows in confusions.count(logits_NC, labels_N, hits(logits_NC, labels_N, 1))
    } == expected


def test_a_cell_keeps_its_confusions_and_they_sum_to_its_misses(tmp_path: Path):
    session = digits_session(tmp_path)
    local.execute(session.plan, session.context, tmp_path, Reporters())
    cell = session.plan.cells[0]
    record = storage.read(storage.record_path(tmp_path, "digits-test", cell.backbone, cell.strategy, cell.seed))
    for stage, (chain, result) in enumerate(zip(cell.jobs, record.stages, strict=True)):
        taken_CC = confusions.of_stage(record, stage)
        assert (taken_CC.sum(axis=1) == np.array(result.test_n) - result.top1_hits).all()
        data = session.context.stages[stage]
        logits_NC = session.context.store.predictions(chain[-1])["test"]
        labels_N = data.labels_N[data.data.test_rows]
        for c in range(len(result.classes)):
            assert taken_CC[:, c].sum() == ((logits_NC.argmax(axis=1) == c) & (labels_N != c)).sum()


def _pair(out: Path, seeds: int = 1, keep: bool = True) -> None:
    """Write plain training and `oversample`: of class "all 0" (4 test rows) the first wins one row, loses two."""
    for seed in range(seeds):
        for strategy, top1, kept in (
            ("none", [1, 1, 1, 0, 1, 1], [[0, 2, 1]]),
            ("oversample", [0, 0, 1, 1, 1, 0], [[0, 1, 2], [1, 0, 1]]),
        ):
            stage = make.stage_result(test_n=(4, 2, 0), hits_N=np.array(top1, dtype=bool))
            extra = {"confusions": {"all": kept}} if keep else {}
            storage.write(make.record((stage,), strategy=strategy, seed=seed, extra=extra), out)


@pytest.mark.parametrize("seeds", [1, 3])
def test_rows_won_and_lost_and_what_was_taken_for_what(tmp_path: Path, seeds: int):
    _pair(tmp_path, seeds)
    (told,) = explain(tmp_path, "ALL 0", "oversample")
    assert (told.won, told.lost, told.seeds) == (seeds, 2 * seeds, seeds)
    assert told.top1 == (0.75, 0.5)
    assert told.difference.value == pytest.approx(-0.25)
    assert [(m.other, m.before, m.after) for m in told.taken_for] == [("all 1", 0.0, 2.0), ("all 2", 1.0, 0.0)]
    assert [(m.other, m.before, m.after) for m in told.taken_in] == [("all 1", 0.0, 1.0)]


def test_the_interval_of_a_class_is_nearly_that_of_a_stage_that_is_this_class_alone():
    draws = np.random.default_rng(5)
    ours, theirs = (
        [make.stage_result(test_n=(7, 20, 3), hits_N=draws.random(30) < 0.6) for _ in range(3)] for _ in "ab"
    )

    def alone(stage):
        hits_N = unpack_bits(stage.top1_bits, 30)[7:27]
        return make.stage_result(train_n=(50,), test_n=(20,), hits_N=hits_N)

    expected, _ = stats.differences([alone(s) for s in ours], [alone(s) for s in theirs])
    difference, won, lost = stats.of_class(ours, theirs, 1)
    # not quite: its variance is shrunk to that of all classes of the stage
    assert dataclasses.astuple(difference) == pytest.approx(dataclasses.astuple(expected), abs=0.01)
    assert (won - lost) / 60 == pytest.approx(difference.value)
    with pytest.raises(ValueError, match="test rows"):
        stats.of_class(ours, [dataclasses.replace(s, rows_key="others") for s in theirs], 1)


def test_the_command_tells_one_strategy_or_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    _pair(tmp_path)
    assert main(["explain", "all 0", "--out", str(tmp_path)]) == 0
    overview = capsys.readouterr().out
    assert "300 training and 4 test rows; resnet10t, 1 seed." in overview
    assert "all 1 0 to 2" in next(line for line in overview.splitlines() if line.startswith("oversample"))
    assert main(["explain", "all 0", "--strategy", "oversample", "--out", str(tmp_path)]) == 0
    detail = capsys.readouterr().out
    assert "only oversample has right: 1; only none: 2." in detail
    assert [line.split() for line in detail.splitlines() if line.startswith("all 1")] == [
        ["all", "1", "0", "2", "+2"],
        ["all", "1", "0", "1", "+1"],
    ]


def test_strategies_with_other_seeds_stand_beside_plain_training_on_these(tmp_path: Path, capsys):
    _pair(tmp_path, seeds=2)
    right = make.stage_result(test_n=(4, 2, 0), hits_N=np.ones(6, dtype=bool))
    storage.write(make.record((right,), strategy="focal"), tmp_path)
    assert main(["explain", "all 0", "--out", str(tmp_path)]) == 0
    title, _, header, _, *rows = capsys.readouterr().out.splitlines()
    assert title.startswith("all 0: class of toy") and title.endswith("1 to 2 seeds.")
    assert header.split()[:4] == ["strategy", "seeds", "none", "top-1"]
    assert [row.split()[:4] for row in rows if row] == [
        ["focal", "1", "0.750", "1.000"],
        ["oversample", "2", "0.750", "0.500"],
    ]


def test_plain_training_alone_is_no_comparison(tmp_path: Path, capsys):
    storage.write(make.record((make.stage_result(test_n=(4, 2, 0)),)), tmp_path)
    assert main(["explain", "all 0", "--out", str(tmp_path)]) == 2
    assert "only none has records" in capsys.readouterr().err


def test_top_5_is_told_among_more_than_ten_classes_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for classes in (10, 11):
        for strategy in ("none", "oversample"):
            stage = make.stage_result(train_n=(9,) * classes, test_n=(4,) * classes, seed=len(strategy))
            storage.write(make.record((stage,), strategy=strategy), tmp_path / str(classes))
        words = ["explain", "all 0", "--strategy", "oversample", "--out", str(tmp_path / str(classes))]
        assert main(words) == 0
        assert ("top-5" in capsys.readouterr().out) == (classes == 11)


def test_rows_are_whole_numbers_or_means_with_one_digit(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for seeds, expected in ((1, r"\d+"), (3, r"\d+\.\d")):
        out = tmp_path / str(seeds)
        _pair(out, seeds)
        assert main(["explain", "all 0", "--strategy", "oversample", "--out", str(out)]) == 0
        said = capsys.readouterr().out
        assert ("sums over 3 seeds; the tables below show means" in said) == (seeds == 3)
        rows = [line.split("  ")[-1].strip() for line in said.split("taken for")[1].splitlines()[2:] if line.strip()]
        assert rows and all(re.fullmatch(rf"[+-]{expected}", row) for row in rows)


def test_records_without_confusions_say_so_and_leave_the_tables_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    _pair(tmp_path, keep=False)
    assert main(["explain", "all 0", "--strategy", "oversample", "--out", str(tmp_path)]) == 0
    assert "hold no confusions" in capsys.readouterr().out
    assert files.write(tmp_path) == []


def test_the_page_of_classes_names_what_a_lost_class_was_taken_for(tmp_path: Path):
    _pair(tmp_path)
    assert files.write(tmp_path) == []
    page = (tmp_path / "toy" / "per-class" / "resnet10t.md").read_text(encoding="utf-8")
    lost = next(line for line in page.splitlines() if line.startswith("| oversample") and "-0.25" in line)
    assert "all 1\xa02" in lost  # rows


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["all O"], "no class 'all O' in the records"),
        (["all 0", "--strategy", "oversampel"], "did you mean 'oversample'"),
        (["all 0", "--against", "nothing"], "no finished record of strategy 'nothing'"),
        (["all 0", "--backbone", "resnet18"], "no finished record of --backbone resnet18 below"),
        (["all 2", "--strategy", "oversample"], "class 'all 2' has no test rows"),
        (["all 0", "--against", "oversample", "--strategy", "oversample"], "share no backbone"),
    ],
)
def test_what_is_not_there_is_said_in_a_sentence(tmp_path: Path, capsys, arguments, sentence):
    _pair(tmp_path)
    assert main(["explain", *arguments, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert sentence in error
    assert error.count("\n") == 1


def test_hits_and_confusions_agree_on_ties():
    logits_NC, labels_N = np.zeros((3, 3)), np.array([0, 1, 2])
    hits_N = hits(logits_NC, labels_N, 1)
    assert not hits_N.any()
    assert sum(rows for _, _, rows in confusions.count(logits_NC, labels_N, hits_N)) == 3


def test_without_a_folder_ones_own_runs_come_first_then_the_published(tmp_path: Path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _pair(tmp_path / "results", seeds=2)
    assert main(["explain", "all 0"]) == 0
    assert "2 seeds." in capsys.readouterr().out
    _pair(tmp_path / "runs", seeds=1)
    assert main(["explain", "all 0"]) == 0
    assert "1 seed." in capsys.readouterr().out


def test_a_suite_in_which_the_class_has_no_test_rows_hides_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    _pair(tmp_path)
    for strategy in ("none", "oversample"):
        stage = make.stage_result(test_n=(4, 2, 0), classes=("a", "b", "all 0"))
        storage.write(make.record((stage,), suite="other", strategy=strategy), tmp_path)
    assert main(["explain", "all 0", "--strategy", "oversample", "--out", str(tmp_path)]) == 0
    assert "all 0: class of toy" in capsys.readouterr().out


def test_class_names_do_not_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for strategy in ("none", "oversample"):
        stage = make.stage_result(test_n=(4, 2, 0), classes=("evil\x1b[2J", "b\x1b[0m", "c"))
        extra = {"confusions": {"all": [[0, 1, 2]]}}
        storage.write(make.record((stage,), strategy=strategy, extra=extra), tmp_path)
    for options in ([], ["--strategy", "oversample"]):
        assert main(["explain", "evil\x1b[2J", *options, "--out", str(tmp_path)]) == 0
        assert "\x1b" not in capsys.readouterr().out
