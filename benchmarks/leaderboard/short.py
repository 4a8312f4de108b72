"""The short ranking that a run shows on the terminal: backbone, strategy, top-1 of each stage, seeds."""

from __future__ import annotations

from benchmarks.leaderboard.columns import Column
from benchmarks.records.kinds import marked_name
from benchmarks.records.ranking import Row


def columns(row: Row, *, overall: bool = True) -> list[Column[Row]]:
    """Return the columns for rows like `row`: the last stage first, of each its class mean and, if wanted, top-1."""
    measures = [("class mean", 1), ("top-1", 0)][: 1 + overall]
    scores = [_score(stage, label, position) for stage in [*row.means][::-1] for label, position in measures]
    names: list[Column[Row]] = [
        Column("backbone", lambda row: row.backbone, left=True),
        Column("strategy", lambda row: marked_name(row.strategy), left=True),
    ]
    return [*names, *scores, Column("seeds", lambda row: row.seeds)]


def _score(stage: str, label: str, position: int) -> Column[Row]:
    return Column(f"{stage}\n{label}", lambda row: row.means[stage][position], lambda value: f"{value:.3f}")
