"""Tuned settings: the title and description of a tuned section, and its table of default and tuned results."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from benchmarks.leaderboard.columns import BACKBONE, Column, render
from benchmarks.leaderboard.markdown import NOTHING, escape, number
from benchmarks.leaderboard.sections import Entry, Section, pairs
from benchmarks.leaderboard.tables import marked_interval
from benchmarks.leaderboard.ties import class_mean, corrected
from benchmarks.support.words import counted, first_seeds

Pair = tuple[Entry, Entry | None]  # tuned, and the same strategy with the suite's settings if that was run


def title(section: Section) -> str:
    """Return the suffix for the heading of a tuned section, "" for other sections."""
    tuned = section.first.tuned
    return f", tuned ({_trials(tuned)})" if tuned else ""


def described(section: Section) -> list[str]:
    """Return the sentence on how the settings of a section were chosen; nothing for a suite's own settings."""
    tuned = section.first.tuned
    if tuned is None:
        return []
    seeds = first_seeds(tuned["seeds"])
    searched = " and ".join(str(name).replace("_", " ") for name in tuned["default"])
    return [
        f"*Tuned*: each strategy had {_trials(tuned)}, the default among them, of its parameters and of {searched}. "
        f"The best class mean on the validation rows, {seeds}, mean over stages, was chosen; test rows chose nothing."
    ]


def table(section: Section, found: Sequence[Section]) -> list[str]:
    """Return the table of default and tuned settings; `found`: all sections of the suite."""
    if section.first.tuned is None:
        return []
    default = next((other for other in found if _is_default_of(section, other)), None)
    shown = [(entry, _default(entry, default)) for entry in section.entries]
    columns: list[Column[Pair]] = [
        Column(BACKBONE.header, lambda pair: pair[0].backbone, escape, left=True),
        Column("strategy", lambda pair: _tuned(pair)["of"], escape, left=True),
        Column("chosen", lambda pair: _tuned(pair)["settings"], _settings, left=True),
        Column("failed trials", lambda pair: _tuned(pair)["failed"]),
        Column("validation: default", lambda pair: _tuned(pair)["validation"][0], _or_nothing),
        Column("validation: tuned", lambda pair: _tuned(pair)["validation"][1], _or_nothing),
    ]
    for stage, result in reversed(list(enumerate(section.first.stages))):
        columns += _stage(shown, result.name, stage)
    note = (
        "Class means. *Chosen*: what differs from the suite's settings. *Tuned minus default*: on the test rows, "
        "paired row by row over the seeds that both have, with its 95 % interval; marked where it is significant after "
        "Holm's correction for all rows of its backbone. "
        f"{NOTHING}: the default was not run."
    )
    return ["### Default and tuned", render(columns, shown), note]


def _stage(shown: Sequence[Pair], name: str, stage: int) -> list[Column[Pair]]:
    both = {tuned.key: pairs(tuned.records, default.records) for tuned, default in shown if default}
    found = {key: difference for key, common in both.items() if (difference := class_mean(common, stage))}
    marks = corrected(found, lambda key: key[0])

    def mean(entry: Entry | None) -> float | None:
        """Return the entry's class mean, None without an entry."""
        return None if entry is None else entry.scores[stage].mean("class-mean")

    return [
        Column(f"{name}: default", lambda pair: mean(pair[1]), _or_nothing),
        Column(f"{name}: tuned", lambda pair: mean(pair[0]), _or_nothing),
        Column(f"{name}: tuned minus default", lambda pair: marks.get(pair[0].key), marked_interval),
    ]


def _default(entry: Entry, default: Section | None) -> Entry | None:
    """Return the entry of the same strategy and backbone with the suite's settings."""
    of = (entry.records[0].tuned or {}).get("of")
    own = default.only(entry.backbone).entries if default else ()
    return next((other for other in own if other.strategy == of), None)


def _is_default_of(section: Section, other: Section) -> bool:
    """Whether the other section was measured like this one, with the suite's settings."""
    ours, theirs = section.first, other.first
    recipe = {**ours.setup.recipe, **(ours.tuned or {}).get("default", {})}
    if "weights" in theirs.setup.recipe:
        recipe["weights"] = theirs.setup.recipe["weights"]  # of another backbone, perhaps
    setup = dataclasses.replace(ours.setup, recipe=recipe)
    return theirs.tuned is None and setup == theirs.setup and _rows(ours.stages) == _rows(theirs.stages)


def _rows(stages: Sequence[Any]) -> list[tuple[str, tuple[int, ...]]]:
    return [(stage.rows_key, stage.train_n) for stage in stages]


def _tuned(pair: Pair) -> dict[str, Any]:
    return pair[0].records[0].tuned or {}


def _trials(tuned: dict[str, Any]) -> str:
    return counted(tuned["trials"], "trial")


def _settings(settings: dict[str, Any]) -> str:
    shown = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in settings.items())
    return escape(shown) if settings else "the default"


def _or_nothing(value: float | None) -> str:
    return NOTHING if value is None else number(value)
