"""The command that trains a cell again."""

from __future__ import annotations

import shlex

from benchmarks.data import registry
from benchmarks.records.record import Record
from benchmarks.support.errors import UserError


def command(record: Record) -> str:
    """Return the command line; seeds are counted from 0, so it trains earlier ones too where they are missing.

    `PATH` stands for the data where its dataset is read from a path, or is not installed here.
    """
    words = ["python", "-m", "benchmarks", "run", "--suite", record.suite]
    if _takes_path(record.setup.dataset):
        words += ["--data", "PATH"]
    words += ["--backbone", record.backbone, "--strategy", record.strategy, "--seeds", str(record.seed + 1)]
    words += ["--resample-splits", str(record.split + 1)] if record.split else []
    for name, value in ((record.tuned or {}).get("settings") or {}).items():
        if name in record.setup.recipe:
            words += ["--set", f"recipe.{name}={value}"]
    return shlex.join(words)


def _takes_path(dataset: str) -> bool:
    try:
        return registry.get(dataset).takes_path
    except UserError:
        return True
