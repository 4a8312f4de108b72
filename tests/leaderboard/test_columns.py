from __future__ import annotations

import math
from pathlib import Path

import pytest

from benchmarks.leaderboard import files, rankings
from benchmarks.leaderboard.columns import Column, of_metric, render
from benchmarks.records import metrics
from benchmarks.records.storage import write
from tests.leaderboard import make


def rows_of(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]


def test_a_column_formats_marks_the_best_and_appends_what_is_never_bold() -> None:
    names = Column[tuple[str, float]]("name", lambda row: row[0], left=True)
    cost = Column[tuple[str, float]](
        "cost", lambda row: row[1], lambda value: f"{value:.1f}", best="lowest", after=lambda row: f" ({row[0]})"
    )
    head, align, *body = rows_of(render([names, cost], [("a", 2.0), ("b", 1.0), ("c", math.nan)], {"cost": "9"}))
    assert head == ["name", "cost"] and align[0].startswith(":") and align[1].endswith(":")
    assert body == [["a", "2.0 (a)"], ["b", "**1.0** (b)"], ["c", "nan (c)"], ["–", "9"]]


def test_a_metric_added_in_one_place_can_be_a_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "METRICS", dict(metrics.METRICS))
    metrics.metric("missed", "missed rows", higher_is_better=False, digits=0)(
        lambda counts: float(counts.test_T.sum() - counts.hits_T.sum())
    )
    columns = rankings.ranking_columns
    monkeypatch.setattr(rankings, "ranking_columns", lambda section: [*columns(section), of_metric("missed", 0)])
    (one, two) = (make.record((make.stage_result(accuracy=a),), strategy=name) for name, a in (("a", 0.9), ("b", 0.3)))
    for record in (one, two):
        write(record, tmp_path)
    table = files.generate(tmp_path)[Path("toy/leaderboard.md")].split("### Ranking\n\n")[1].split("\n\n")[0]
    missed = {r.strategy: r.stages[0].rows - sum(r.stages[0].top1_hits) for r in (one, two)}
    shown = {row[2]: row[-1] for row in rows_of(table)[2:]}
    assert rows_of(table)[0][-1] == "missed rows"
    assert missed["a"] < missed["b"]
    assert shown == {"a": f"**{missed['a']}**", "b": str(missed["b"])}
