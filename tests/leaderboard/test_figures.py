"""Figures: what they show, and that they are the same bytes everywhere."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from benchmarks.leaderboard import files
from benchmarks.leaderboard.figures import registry, style
from benchmarks.leaderboard.sections import sections
from benchmarks.leaderboard.trade import front
from benchmarks.records import storage
from tests.leaderboard import make

SVG = "{http://www.w3.org/2000/svg}"
FROM_HITS = ["against-plain", "by-training-rows", "tail-against-head"]
NAMES = sorted([*FROM_HITS, "confused-pairs", "learning-curves", "reliability"])


def drawn(records):
    return {one.name: one for one in registry.of_suite(sections(records))}


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    made = make.write_fashion(tmp_path_factory.mktemp("out"), seeds=2)
    extra = {"confusions": {"head": [], "tail": [[0, 1, 9], [2, 0, 5]]}}
    return [with_curves(make.change(one, extra=extra)) for one in made]


@pytest.fixture(scope="module")
def shown(records):
    """Return the figures of the records, by name."""
    return drawn(records)


def with_curves(one):
    """Return the record with four epochs, and all rows in one bin of confidence 0.9."""

    def stage(result):
        bins = ((0, 0.0, 0),) * 13 + ((result.rows, 0.9 * result.rows, sum(result.top1_hits)), (0, 0.0, 0))
        losses = tuple(2.0 / epoch + one.seed / 10 for epoch in (1, 2, 3, 4))
        return dataclasses.replace(result, reliability=bins, losses=losses, accuracies=(0.2, 0.4, 0.6, 0.7))

    return dataclasses.replace(one, stages=tuple(stage(result) for result in one.stages))


def test_every_figure_is_small_valid_svg_without_anything_of_this_machine(shown):
    assert sorted(shown) == NAMES
    for one in shown.values():
        assert len(one.svg) < 150_000
        root = ElementTree.fromstring(one.svg)
        assert root.find(f"{SVG}title").text == one.alt
        assert not re.search(r"20\d\d-\d\d|matplotlib|href=\"(?!#)|<script", one.svg.partition("\n")[2])
        ids = re.findall(r' id="([^"]+)"', one.svg)
        assert len(set(ids)) == len(ids)
        assert set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', one.svg)) <= {(i, "") for i in ids} | {
            ("", i) for i in ids
        }


def test_another_process_with_other_settings_of_matplotlib_draws_the_same_bytes(tmp_path):
    make.write_fashion(tmp_path, seeds=1)
    files.write(tmp_path)
    (tmp_path / "matplotlibrc").write_text("font.size: 20\nsvg.fonttype: path\naxes.grid: False\nlines.linewidth: 9\n")
    environment = {**os.environ, "MPLCONFIGDIR": str(tmp_path), "PYTHONHASHSEED": "7", "LC_ALL": "C"}
    command = [sys.executable, "-m", "benchmarks", "leaderboard", "--check", "--out", str(tmp_path)]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_scatter_names_the_front_and_tells_it_in_its_alternative_text(records, shown):
    one = shown["tail-against-head"]
    assert {"plain training", "head class mean (top-1)", "tail class mean (top-1)"} <= set(texts(one.svg))
    best = sections(records)[0].only(one.backbone).entries[0]  # highest on the tail, hence on the front
    assert best.strategy in texts(one.svg)
    assert f"{best.strategy} ({best.scores[1].mean('class-mean'):.3f}" in one.alt


def test_the_front_holds_what_no_other_point_exceeds():
    assert front([(0, 3), (1, 2), (1, 1), (2, 2), (3, 0), (2, 2)]) == [0, 3, 4, 5]


def test_the_forest_plot_marks_what_the_table_marks(records, shown):
    one = shown["against-plain"]
    marks = files.suite_page("suite", sections(records), []).count("▲")
    assert "better" in one.alt
    assert {"oversample", "minus plain training", "tail class mean"} <= set(texts(one.svg))
    assert marks >= one.svg.count(style.GREEN + "; stroke-width: 1.6") > 0


def test_the_forest_plot_shows_strategies_that_read_names_only_where_there_are_no_others(records):
    reads = {"oversample": "text-only"}
    mixed = [dataclasses.replace(r, strategy=reads.get(r.strategy, r.strategy)) for r in records]
    one = drawn(mixed)["against-plain"]
    assert "text-only" not in texts(one.svg) and "text-only" not in one.alt
    assert one.alt.endswith("Strategies that see more than the image are in the tables only.")
    alone = drawn([r for r in mixed if r.strategy in ("none", "text-only")])["against-plain"]
    assert "text-only" in texts(alone.svg) and "tables only" not in alone.alt


def test_pairs_are_named_with_rows_under_both(records, shown):
    first = records[0].stages[1].classes
    one = shown["confused-pairs"]
    assert f"{first[0]} → {first[1]}" in texts(one.svg)
    assert f"{first[0]} for {first[1]} 9 then 9" in one.alt


def test_the_reliability_diagram_tells_the_calibration_error(records, shown):
    one = shown["reliability"]
    plain = [r for r in records if r.backbone == one.backbone and r.strategy == "none"]
    tail = [record.stages[1] for record in plain]
    gap = abs(0.9 - sum(sum(s.top1_hits) for s in tail) / sum(s.rows for s in tail))
    assert f"tail: calibration error {gap:.3f} under plain training" in one.alt
    assert {"confidence", "hits, tail classes", "hits, head classes", "plain training"} <= set(texts(one.svg))


def test_the_curves_are_means_over_seeds_and_end_where_training_ended(records, shown):
    one = shown["learning-curves"]
    assert "tail, training loss at the end: plain 0.550, best 0.550." in one.alt
    assert "head, training accuracy at the end: plain 0.700, best 0.700." in one.alt
    assert one.markdown().startswith("<details><summary>Loss and accuracy per epoch</summary>\n\n![")
    without = [
        dataclasses.replace(r, stages=tuple(dataclasses.replace(s, accuracies=()) for s in r.stages)) for r in records
    ]
    told = drawn(without)["learning-curves"].alt.partition("The best is")[
        2
    ]  # jobs of earlier versions kept losses only
    assert "loss at the end" in told and "accuracy" not in told


def test_without_confusions_or_plain_training_figures_are_left_out():
    better = (make.stage_result("head", accuracy=0.9), make.stage_result("tail", accuracy=0.9))
    plain, other = make.record(), make.record(better, strategy="other")
    assert sorted(drawn([plain, other])) == FROM_HITS
    assert "reliability" not in drawn([with_curves(plain), other])
    assert sorted(drawn([other])) == []
    assert registry.of_suite([]) == []


def test_names_are_text_and_no_formula_or_markup():
    stages = (make.stage_result("head"), make.stage_result("tail", classes=("a", "b", "<script>&$x^2$")))
    hostile = "</svg><script>alert(1)</script>$\\frac{1}{2}$\x07"
    other = (make.stage_result("head", accuracy=0.9), stages[1])
    extra = {"confusions": {"head": [], "tail": [[0, 2, 3]]}}
    records = [make.record(stages, extra=extra), make.record(other, strategy=hostile, extra=extra)]
    for one in drawn(records).values():
        root = ElementTree.fromstring(one.svg)
        assert not list(root.iter(f"{SVG}script"))
    assert "a → <script>&$x^2$" in texts(drawn(records)["confused-pairs"].svg)


def test_pages_include_their_figures_with_alternative_text_and_stale_ones_are_removed(tmp_path):
    make.write_fashion(tmp_path, seeds=1)
    files.write(tmp_path)
    suite = tmp_path / "fashion-small"
    shown = {path: re.findall(r"!\[([^\]]{80,})\]\(([^)]+\.svg)\)", path.read_text()) for path in suite.rglob("*.md")}
    assert sorted(file for _, file in shown[suite / "leaderboard.md"]) == [
        "figures/against-plain.svg",
        "figures/tail-against-head.svg",
    ]
    assert "The figures show resnet10t." in (suite / "leaderboard.md").read_text()
    assert all((page.parent / file).is_file() for page, found in shown.items() for _, file in found)
    for path in (suite / "records").rglob("*.json"):
        if not path.name.startswith("none"):
            path.unlink()
    files.write(tmp_path)
    assert not list(suite.rglob("by-training-rows.svg"))
    assert files.check(tmp_path) == []


def test_one_name_registers_once():
    registry.of_suite(sections([make.record()]))
    with pytest.raises(ValueError, match="registered already"):
        registry.figure("against-plain", "again")(lambda section, backbone: None)


def test_a_record_file_gives_what_the_record_gives(tmp_path, records, shown):
    assert drawn([storage.read(storage.write(one, tmp_path)) for one in records[::-1]]) == shown
