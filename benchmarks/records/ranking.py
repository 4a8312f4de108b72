"""The short ranking that a run shows: backbone x strategy by the class mean of the last stage, over its seeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

import numpy as np

from benchmarks.records.kinds import transductive
from benchmarks.records.metrics import from_hits
from benchmarks.records.record import Record


@dataclasses.dataclass(frozen=True)
class Row:
    """One backbone x strategy: per stage name (overall, class mean), top-1 in [0, 1], means over seeds and splits."""

    backbone: str
    strategy: str
    seeds: int
    means: Mapping[str, tuple[float, float]]


def stage_means(record: Record) -> dict[str, tuple[float, float]]:
    """Return top-1 (overall, class mean) in [0, 1] of each stage, NaN where it has no test rows."""
    found = {
        stage.name: from_hits(np.array(stage.top1_hits), np.array(stage.test_n), np.array(stage.train_n))
        for stage in record.stages
    }
    return {name: (values["overall"], values["class-mean"]) for name, values in found.items()}


def ranking(records: Iterable[Record]) -> list[Row]:
    """Return the finished records' rows, best class mean in the last stage first, transductive strategies after all."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        if record.status == "done":
            groups.setdefault((record.backbone, record.strategy), []).append(record)
    rows = [_row(*names, found) for names, found in groups.items()]
    return sorted(rows, key=lambda row: (transductive(row.strategy), -list(row.means.values())[-1][1]))


def _row(backbone: str, strategy: str, records: list[Record]) -> Row:
    found = [stage_means(record) for record in records]
    means = {stage: _mean([one[stage] for one in found]) for stage in found[0]}
    return Row(backbone, strategy, len({record.seed for record in records}), means)


def _mean(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    overall, class_mean = np.mean(np.array(pairs), axis=0).tolist()
    return overall, class_mean
