"""The command that trains a recorded cell, written from its record."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.data.registry import get, names
from benchmarks.suites.settings import frozen
from benchmarks.tools.recorded import Recorded

PROGRAM = "python -m benchmarks"


def training_command(cell: Recorded) -> str:
    """Return the `run` that trains the cell: with its base suite, and what the record changes of it.

    `PATH` and `FILE` stand for the data and first weights, whose places a record does not hold.
    """
    record, base = cell.record, cell.base
    setup, recipe = record.setup, dict(record.setup.recipe)
    words = ["run", "--suite", cell.suite_name or (base.name if base else record.suite)]
    words += ["--backbone", record.backbone, "--strategy", record.strategy, "--seeds", str(record.seed + 1)]
    words += ["--resample-splits", str(record.split + 1)] if record.split else []
    if setup.dataset in names() and get(setup.dataset).takes_path:
        words += ["--data", "PATH"]
    if setup.imagenet:
        recipe["weights"] = "imagenet"
    elif isinstance(recipe.get("weights"), dict):
        words += ["--weights", str(recipe.pop("weights")["file"])]
    head_classes, own = recipe.pop("head_classes"), {name: recipe.pop(name, 0) for name in ("validation", "folds")}
    if base is not None:
        if setup.protocol != base.protocol:
            words += ["--protocol", setup.protocol]
        if head_classes != base.head_classes:
            words += ["--head-classes", str(head_classes)]
        if recipe.get("trains") == "classifier" and not base.recipe.frozen:
            words += ["--trains", "classifier"]
            base = frozen(base)
        changed = dict(_changed(recipe, base.recipe.model_dump(mode="json"), "recipe."))
        changed |= {name: value for name, value in own.items() if value != getattr(base, name)}
        words += [word for name, value in changed.items() for word in ("--set", f"{name}={_toml(value)}")]
    return f"{PROGRAM} {shlex.join(words)}"


def _changed(ours: Mapping[str, Any], theirs: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield the dotted names and values of what differs; TOML has no null, so what was unset is left out."""
    for name, value in ours.items():
        other = theirs.get(name)
        if isinstance(value, Mapping) and isinstance(other, Mapping):
            yield from _changed(value, other, f"{prefix}{name}.")
        elif value != other and value is not None:
            yield f"{prefix}{name}", value


def _toml(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
