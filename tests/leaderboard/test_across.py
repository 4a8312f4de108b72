"""Win rates and tests over data sets, each of which counts once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import PermutationMethod
from scipy.stats import wilcoxon as reference

from benchmarks.cli import main
from benchmarks.leaderboard import files
from benchmarks.leaderboard.compared.across import PAGE, wilcoxon
from benchmarks.records import storage
from tests.leaderboard import make


def put(out: Path, data_set: str, hits: dict[str, int], suite: str | None = None, seeds: int = 1, **changes) -> None:
    """Write one cell a strategy and seed that is right on so many of 100 test rows."""
    for strategy, right in hits.items():
        for seed in range(seeds):
            stage = make.stage_result(train_n=(9,), test_n=(100,), hits_N=np.arange(100) < right)
            named = {"suite": suite or f"suite-{data_set}", "dataset": data_set, "strategy": strategy, "seed": seed}
            storage.write(make.record((stage,), **named, **changes), out)


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [
        [cell.strip(" *") for cell in line.strip("|").split("|")] for line in lines if not line.startswith("| strat")
    ]


def page(out: Path) -> str | None:
    return files.generate(out).get(PAGE)


def test_three_data_sets_have_win_rates_and_no_test(tmp_path: Path) -> None:
    for data_set, better in (("a", 70), ("b", 60), ("c", 40)):
        put(tmp_path, data_set, {"none": 50, "x": better, "y": 50, "only here" if data_set == "a" else "z": 90})
    texts = files.generate(tmp_path)
    text = texts[PAGE]
    assert "3 data sets are too few for a test" in text
    # x wins 2 of 3 against none = y, whose scores are equal everywhere
    assert rows(text) == [["x", "0.667", "2 / 0 / 1", "+0.100", "–"], ["none = y", "0.333", "0 / 3 / 0", "0.000", "–"]]
    assert f"]({PAGE})" in texts[Path("README.md")]


@pytest.mark.parametrize("sets", [2, 6, 7])
def test_marks_need_six_data_sets_and_more_for_more_comparisons(tmp_path: Path, sets: int) -> None:
    for k in range(sets):
        put(tmp_path, f"d{k}", {"none": 50, "x": 60 + k, "y": 40 - k})
    texts = files.generate(tmp_path)
    if sets == 2:
        assert PAGE not in texts and PAGE.as_posix() not in texts[Path("README.md")]
        return
    text = texts[PAGE]
    found = {row[0]: row[-1] for row in rows(text)}
    if sets == 6:
        assert found == {"x": "0.062", "none": "–", "y": "0.062"} and "6 data sets are too few for any mark" in text
    else:
        assert found == {"x": "0.031 ▲", "none": "–", "y": "0.031 ▼"} and "Holm-corrected for 2 comparisons." in text


def test_suites_of_one_data_set_and_seeds_count_once(tmp_path: Path) -> None:
    for data_set in "ab":
        put(tmp_path, data_set, {"none": 50, "x": 60}, seeds=3)
    put(tmp_path, "a", {"none": 50, "x": 60, "y": 70}, suite="another-of-a", image_size=128)
    assert page(tmp_path) is None
    put(tmp_path, "folder", {"none": 50, "x": 40}, suite="folder-birds")
    put(tmp_path, "folder", {"none": 50, "x": 50}, suite="folder-fish", fingerprint="beef")
    text = page(tmp_path)
    assert text is not None and "4 data sets, by suite: [another-of-a]" in text
    assert rows(text)[0][2] == "2 / 1 / 1"


def test_kinds_protocols_and_backbones_are_apart(tmp_path: Path) -> None:
    for data_set in "abc":
        put(tmp_path, data_set, {"none": 50, "x": 60, "text-only": 99})
        put(tmp_path, data_set, {"none": 50, "x": 45}, backbone="resnet18")
    text = page(tmp_path)
    assert text is not None and text.count("## resnet10t, joint protocol") == text.count("## resnet18") == 1
    first, second = text.split("## resnet18")
    images, names = first.split("### Product name")
    assert [row[0] for row in rows(images)] == ["x", "none"] and [row[0] for row in rows(names)] == [
        "text-only",
        "none",
    ]
    assert rows(second)[0][0] == "none"


def test_the_page_is_checked_and_goes_with_its_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for data_set in "abc":
        put(tmp_path, data_set, {"none": 50, "x": 60})
    assert main(["leaderboard", "--out", str(tmp_path)]) == 0 and (tmp_path / PAGE).is_file()
    assert main(["leaderboard", "--check", "--out", str(tmp_path)]) == 0
    for path in (tmp_path / "suite-c" / "records").glob("*/*.json"):
        path.unlink()
    assert main(["leaderboard", "--check", "--out", str(tmp_path)]) == 1
    assert "across.md has no records any more" in capsys.readouterr().out
    assert main(["leaderboard", "--out", str(tmp_path)]) == 0 and not (tmp_path / PAGE).exists()


@given(st.lists(st.integers(-30, 30).filter(bool), min_size=5, max_size=10, unique_by=abs))
def test_without_ties_it_is_the_exact_test(values: Sequence[int]) -> None:
    d_D = np.array(values) / 100
    assert wilcoxon(np.concatenate([d_D, [0.0]])) == pytest.approx(reference(d_D, method="exact").pvalue)


@pytest.mark.parametrize("hundredths", [(3, 3, -1, 2, 5, -2, 4), (1, 1, 1, -1, 1, 1, 0), (2, -3, 3, -2)])
def test_with_ties_all_signs_are_counted(hundredths: Sequence[int]) -> None:
    unequal_D = np.array([d for d in hundredths if d])
    every_sign = PermutationMethod(n_resamples=2**unequal_D.size)
    expected = reference(unequal_D, method=every_sign).pvalue
    assert wilcoxon(np.array(hundredths) / 100) == pytest.approx(expected)


def test_equal_scores_are_no_evidence_and_neither_is_one_that_differs() -> None:
    assert wilcoxon(np.zeros(7)) == wilcoxon(np.array([0.1, 0, 0, 0, 0, 0])) == 1.0
