"""Sentences and short texts about records: the conditions of a table, the machines, the recipe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from benchmarks.leaderboard.markdown import NOTHING, escape, folded, number
from benchmarks.records.record import Record
from benchmarks.support.words import counted

FEW_ROWS, FEW_ROWS_OF_CLASS = 300, 5  # below these a figure is said to rest on few test rows
_STAGES = {"head": "head", "tail": "tail", "all": ""}


def conditions(record: Record) -> str:
    """Return the sentence on the data, protocol and image size of a section."""
    setup = record.setup
    stages = " and ".join(
        f"{len(s.classes)} {_STAGES[s.name]} classes ({s.rows:,} test rows)".replace("  ", " ") for s in record.stages
    )
    unseen = (
        f" {setup.unseen_rows:,} test rows of {setup.unseen_classes} classes never seen in training are not scored."
        if setup.unseen_rows
        else " Every test row's class was seen in training."
    )
    return (
        f"Data set {escape(setup.dataset)} (fingerprint {escape(setup.fingerprint)}), {setup.protocol} protocol, "
        f"{setup.image_size} px: {stages}.{unseen}{f' First weights: {given}.' if (given := weights(record)) else ''}"
    )


def limits(record: Record, seeds: int, splits: int = 1) -> list[str]:
    """Return the caveats on few rows, seeds or splits that open a page; nothing if there are enough."""
    found = []
    if splits == 2:
        found.append("**Two splits:** the intervals over them are too wide to say much; five or more say more.")
    elif splits == 1 and seeds <= 2:
        found.append(
            f"**{'One seed' if seeds == 1 else 'Two seeds'}:** these tables say what other test rows would give, "
            f"{'and nothing' if seeds == 1 else 'and very little'} about what another training would."
        )
    for stage in record.stages:
        few = sum(0 < n < FEW_ROWS_OF_CLASS for n in stage.test_n)
        if 0 < stage.rows < FEW_ROWS or few:
            name = "All classes" if stage.name == "all" else f"The {stage.name}"
            classes = f", and {few} of its classes fewer than {FEW_ROWS_OF_CLASS}" if few else ""
            found.append(f"{name} ha{'ve' if stage.name == 'all' else 's'} {stage.rows:,} test rows{classes}.")
    return [" ".join(found)] if found else []


def splits(count: int) -> list[str]:
    """Return the sentence on figures over several splits of the data; nothing for a single one."""
    if count == 1:
        return []
    return [
        f"**{count} splits** of the data, its own and others with as many training and test rows of each class, drawn "
        "at random: figures are means over splits and seeds, ± is their standard deviation, and intervals and marks "
        "are those of the corrected resampled t-test over splits (Nadeau and Bengio, 2003), so they are about other "
        "training rows too."
    ]


def weights(record: Record) -> str:
    """Return the initial weights of the networks; empty if from scratch, or if not recorded."""
    given = record.setup.recipe.get("weights", "none")
    if record.setup.imagenet:
        return "imagenet"  # each backbone of a table has a file of its own: `imagenet_file`
    if isinstance(given, dict):
        return f"{escape(str(given.get('file')))} (sha256 {escape(str(given.get('sha256')))})"
    return "" if given == "none" else escape(str(given))


def imagenet_file(record: Record) -> list[str]:
    """Return a sentence that names the record's file of ImageNet weights; nothing if it has none."""
    if not record.setup.imagenet:
        return []
    given = record.setup.recipe["weights"]
    name, source, digest = (escape(str(given.get(part))) for part in ("file", "source", "sha256"))
    return [f"Its ImageNet weights: {name} (sha256 {digest}), found in: {source}."]


def recipe(record: Record) -> str:
    """Return the recipe as one foldable line."""
    items = ", ".join(f"{escape(name)} {escape(str(value))}" for name, value in flat(record.shared_recipe))
    return folded(items or "not recorded", "Recipe")


def machines(records: Iterable[Record]) -> str:
    """Return the machines in a few words, sorted: a GPU, or a processor and how many threads of its cores jobs had."""
    threads: dict[tuple[str, str], set[int]] = {}
    for record in records:
        environment, hardware = record.environment, record.environment.hardware
        if environment.device.startswith("cuda"):
            threads.setdefault((escape(str(hardware.get("gpu", environment.device))), ""), set())
            continue
        cores = f" of {escape(counted(hardware['cores'], 'core'))}" if "cores" in hardware else ""
        threads.setdefault((escape(str(hardware.get("cpu", "CPU"))), cores), set()).add(environment.threads)
    return "; ".join(f"{name}{_threads(counts)}{cores}" for (name, cores), counts in sorted(threads.items()))


def _threads(counts: Iterable[int]) -> str:
    """Return ", 1 or 2 threads", nothing for a GPU."""
    *fewer, most = sorted(counts) or [0]
    return f", {''.join(f'{count} or ' for count in fewer)}{counted(most, 'thread')}" if most else ""


def notes(records: Iterable[Record]) -> list[str]:
    """Return the notes of the records, a line each; nothing without notes."""
    lines = [f"- {escape(record.name)}: {escape(note)}" for record in records for note in record.notes]
    return ["### Notes", "\n".join(lines)] if lines else []


def precision(records: Iterable[Record]) -> str:
    """Return data type and memory layout, such as "bfloat16 channels_last"."""
    return "; ".join(sorted({escape(f"{record.environment.dtype} {record.environment.layout}") for record in records}))


def dates(records: Iterable[Record]) -> str:
    """Return the first and the last day on which the records were made (UTC)."""
    days = sorted({record.made[:10] for record in records})
    return escape(days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}")


def commits(records: Iterable[Record]) -> str:
    """Return the commits of the code that trained, sorted; a dash where no record names one."""
    found = {str(record.environment.versions.get("commit", "")) for record in records} - {""}
    return escape(", ".join(sorted(found))) if found else NOTHING


def training_hours(records: Iterable[Record]) -> float:
    """Return the training time in hours of all jobs, each counted for the cell that trained it."""
    return sum(record.cost.seconds_marginal for record in records) / 3600


def seconds(value: float) -> str:
    """Return seconds as minutes from two minutes on."""
    return f"{number(value / 60, 1)} min" if value >= 120 else f"{number(value, 1)} s"


def flat(values: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Return nested values as (dotted name, value), sorted by name."""
    found = []
    for name in sorted(values):
        value = values[name]
        found += flat(value, f"{before}{name}.") if isinstance(value, dict) else [(f"{before}{name}", value)]
    return found
