"""The tables that the study published: reference figures that were not run here and are always marked so."""

from __future__ import annotations

import csv
import functools
import math
from importlib import resources

import numpy as np

from benchmarks.records.metrics import from_hits
from benchmarks.records.record import Record, StageResult

DATASET = "fashion"
LABEL = "published, not run here"
WHO = "the study's ResNet50, ImageNet weights, 224 px"


@functools.cache
def tables() -> dict[str, dict[str, tuple[float, float]]]:
    """Return class -> (top-1, top-5) of each stage ("head", "tail"); NaN if the study has no figure."""
    folder = resources.files("benchmarks.leaderboard") / "published"
    found = {}
    for stage in ("head", "tail"):
        lines = (folder / f"{stage}-classes.csv").read_text(encoding="utf-8").splitlines()
        found[stage] = {row["class"]: (_number(row["top1"]), _number(row["top5"])) for row in csv.DictReader(lines)}
    return found


def of_class(record: Record) -> dict[str, tuple[float, float]]:
    """Return class -> (top-1, top-5) over both published tables; empty for a data set that the study did not use."""
    return tables()["head"] | tables()["tail"] if record.setup.dataset == DATASET else {}


def summary(record: Record, stage: StageResult) -> dict[str, float] | None:
    """Return the metrics of the published top-1 table over the test rows of `stage`.

    The study left classes without any hit out of its tables, so a missing class counts as zero. None where the stage
    is not the study's: another data set, or classes of the table that are not in the stage.
    """
    table = tables().get(stage.name, {}) if record.setup.dataset == DATASET else {}
    if not table or not set(table) <= set(stage.classes):
        return None
    top1_C = np.array([table.get(name, (0.0, 0.0))[0] for name in stage.classes])
    test_C = np.array(stage.test_n)
    return from_hits(top1_C * test_C, test_C, np.array(stage.train_n))


def _number(text: str) -> float:
    """Return the figure, NaN for an empty field."""
    return float(text) if text.strip() else math.nan
