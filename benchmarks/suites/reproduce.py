"""The commands that train a recorded cell or all cells of a section, written from their records."""

from __future__ import annotations

import functools
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.data import registry
from benchmarks.records.record import Record
from benchmarks.suites import suite as suites
from benchmarks.suites.settings import frozen
from benchmarks.suites.suite import Suite
from benchmarks.support.errors import UserError

PROGRAM = "python -m benchmarks"


@functools.cache
def based_on(name: str) -> Suite | None:
    """Return the package's suite that the suite called `name` is a variant of; None if there is none."""
    based = [known for known in suites.names() if f"{name}-".startswith(f"{known}-")]
    return suites.load(max(based, key=len)) if based else None


def training_command(record: Record, base: Suite | None = None, suite_name: str | None = None) -> str:
    """Return the `run` command that trains a cell: its base suite, and the options in which the record differs from it.

    `base`: None for the package's, by the name of the record's suite; `suite_name`: its name in the command. Seeds are
    counted from 0, so the command also trains earlier ones that are missing. `PATH` stands for data that is read from a
    path, which records do not store, or whose dataset is not installed here.
    """
    base = base or based_on(record.suite)
    words = ["run", "--suite", suite_name or (base.name if base else record.suite)]
    words += ["--backbone", record.backbone, "--strategy", record.strategy, "--seeds", str(record.seed + 1)]
    words += ["--resample-splits", str(record.split + 1)] if record.split else []
    settings: Mapping[str, Any] = (record.tuned or {}).get("settings") or {}
    return _command(words, record, record.setup.recipe, base, settings)


def section_command(records: Sequence[Record]) -> str:
    """Return the `run` or `tune` that measures a section of a suite's page: the cells of all its records.

    `PATH` stands for data that is read from a path, as in `training_command`.
    """
    first, base = records[0], based_on(records[0].suite)
    recipe, words = first.setup.recipe, ["run"]
    if first.tuned is not None:
        recipe, words = {**recipe, **first.tuned["default"]}, ["tune", "--trials", str(first.tuned["trials"])]
        words += ["--trial-seeds", str(first.tuned["seeds"])] if first.tuned["seeds"] != 1 else []
    words += ["--suite", base.name if base else first.suite]
    asked = [record.strategy if record.tuned is None else record.tuned["of"] for record in records]
    backbones, strategies = list(dict.fromkeys(r.backbone for r in records)), list(dict.fromkeys(asked))
    if base and set(base.backbones) == set(backbones) and set(base.strategies) == set(strategies):
        words.append("--all")
    else:
        words += ["--backbone", ",".join(backbones), "--strategy", ",".join(strategies)]
    seeds, splits = (1 + max(getattr(record, name) for record in records) for name in ("seed", "split"))
    words += ["--seeds", str(seeds)] if base is None or seeds != base.seeds else []
    words += ["--resample-splits", str(splits)] if splits > 1 else []
    return _command(words, first, recipe, base, {})


def _command(
    words: list[str], record: Record, recipe: Mapping[str, Any], base: Suite | None, settings: Mapping[str, Any]
) -> str:
    """Return the command that begins with `words`, followed by the options that reproduce the record's setup.

    `settings`: values of the recipe that a search chose.
    """
    setup, recipe, words = record.setup, dict(recipe), list(words)
    words += ["--data", "PATH"] if _takes_path(setup.dataset) else []
    if setup.imagenet:
        recipe["weights"] = "imagenet"
    elif isinstance(recipe.get("weights"), dict):
        words += ["--weights", str(recipe.pop("weights")["file"])]
    head_classes = recipe.pop("head_classes", None)
    own = {name: recipe.pop(name, 0) for name in ("validation", "folds")}
    changed = {f"recipe.{name}": value for name, value in settings.items() if name in recipe}
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


def _takes_path(dataset: str) -> bool:
    try:
        return registry.get(dataset).takes_path
    except UserError:
        return True


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
