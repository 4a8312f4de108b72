"""The tables of a section: stages, differences from plain training, cost. Each ends with what its columns mean."""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmarks.leaderboard import describe
from benchmarks.leaderboard.markdown import NOTHING, escape, mark_best, number, table
from benchmarks.leaderboard.sections import BASELINE, Entry, Section
from benchmarks.records.stats import Difference

_GROUPS = ("many", "medium", "few")


def names(entries: Sequence[Entry]) -> list[list[str]]:
    """Return the two columns that every table starts with."""
    return [[escape(entry.backbone) for entry in entries], [escape(entry.strategy) for entry in entries]]


def stage_table(section: Section, stage: int) -> list[str]:
    """Return a stage's table: top-1 and top-5, overall and class mean, groups by training rows, worst class, zeros."""
    scores = [entry.scores[stage] for entry in section.entries]
    headers, columns = ["backbone", "strategy"], names(section.entries)

    def add(header: str, values: Sequence[float], digits: int = 3, lowest: bool = False) -> None:
        headers.append(header)
        columns.append(mark_best(values, [number(value, digits) for value in values], digits, lowest))

    for top in (1, 5):
        add(f"top-{top}", [s.mean("overall", top) for s in scores])
        add(f"top-{top} class mean", [s.mean("class-mean", top) for s in scores])
    for group in _GROUPS:
        values = [s.mean(group) for s in scores]
        if not all(math.isnan(value) for value in values):
            add(group, values)
    classes = section.first.stages[stage].classes
    worst = [s.pooled["worst"] for s in scores]
    marked = mark_best(worst, [number(value) for value in worst])
    labels = [f" {escape(classes[s.worst_class])}" if s.worst_class >= 0 else "" for s in scores]
    headers.append("worst class")
    columns.append([text + label for text, label in zip(marked, labels, strict=True)])
    add("classes at zero", [s.mean("zeros") for s in scores], digits=1, lowest=True)
    note = (
        "Means over seeds. *Many*, *medium*, *few*: top-1 class mean of the classes with more than 100, 20 to 100, "
        "fewer than 20 training rows (groups without test rows are left out). *Worst class*: the lowest top-1 over all "
        "seeds. *Classes at zero*: classes with test rows of which not one was recognised."
    )
    untested = [name for name, n in zip(classes, section.first.stages[stage].test_n, strict=True) if n == 0]
    if untested:
        note += f" No test rows, so not scored: {', '.join(escape(name) for name in untested)}."
    return [table(headers, columns, left=2), note]


def against(section: Section) -> list[str]:
    """Return the paired differences from plain training on the same backbone, with intervals."""
    entries = [e for e in section.entries if section.comparable(e)]
    if not entries:
        return [f"No strategy ran beside `{BASELINE}` on the same backbone and seed, so there is nothing to compare."]
    headers = ["backbone", "strategy", "seeds"]
    columns = names(entries)
    columns.append([str(len(section.comparable(e))) for e in entries])
    for stage, result in reversed(list(enumerate(section.first.stages))):
        found = [section.differences(entry, stage) for entry in entries]
        for position, label in ((1, "class mean"), (0, "top-1")):
            headers.append(f"{result.name} {label}")
            columns.append([interval(pair[position] if pair else None) for pair in found])
    return [
        table(headers, columns, left=2),
        f"Accuracy minus that of `{BASELINE}` on the same backbone, test row by test row and seed by seed, with its "
        "95 % interval. ▲ better and ▼ worse where the interval excludes zero; where nothing differs, one comparison "
        "in twenty is marked by luck. With one seed the interval speaks of other test rows only: another training may "
        "differ by more.",
    ]


def interval(difference: Difference | None) -> str:
    """Return "+0.031 [+0.012, +0.050] ▲"."""
    if difference is None:
        return NOTHING
    mark = (" ▲" if difference.value > 0 else " ▼") if difference.real else ""
    low, high = (number(bound, signed=True) for bound in (difference.low, difference.high))
    return f"{number(difference.value, signed=True)} [{low}, {high}]{mark}"


def cost(section: Section) -> list[str]:
    """Return times, throughput and memory."""
    entries = section.entries
    alone = [mean(e, "seconds_alone") for e in entries]
    rates = [
        sum(s.img_per_s for r in e.records for s in r.stages) / sum(len(r.stages) for r in e.records) for e in entries
    ]
    memory = [max(r.peak_memory_bytes for r in e.records) / 2**30 for e in entries]
    machines = [describe.machines(e.records) for e in entries]
    columns = [
        *names(entries),
        machines,
        [describe.precision(e.records) for e in entries],
        [describe.seconds(value) for value in alone],
        [describe.seconds(mean(e, "seconds_marginal")) for e in entries],
        [number(value, 0) for value in rates],
        [number(value, 2) for value in memory],
    ]
    if len(set(machines)) == 1:  # the best of two machines says nothing about strategies
        columns[4] = mark_best(alone, columns[4], 1, lowest=True)
        columns[6] = mark_best(rates, columns[6], 0)
        columns[7] = mark_best(memory, columns[7], 2, lowest=True)
    headers = ["backbone", "strategy", "machine", "computed in", "alone", "marginal", "images/s", "peak GiB"]
    return [
        table(headers, columns, left=4),
        "Per seed. *Alone*: time of all the jobs that the cell needs; *marginal*: what it added to the cells that ran "
        "before it, whose jobs it shares. *Images/s*: training throughput, mean over stages.",
        *_epochs(section),
    ]


def _epochs(section: Section) -> list[str]:
    """Return the sentence on epochs asked and executed; nothing where older records do not tell them apart."""
    executed: dict[str, int] = {}
    asked = 0
    for record in (record for entry in section.entries for record in entry.records):
        told = record.extra.get("job_epochs") or {s.jobs[0]: s.epochs for s in record.stages if len(s.jobs) == 1}
        if not told.keys() >= {key for stage in record.stages for key in stage.jobs}:
            return []
        executed.update(told)
        asked += sum(told.values())
    share = number(100 * sum(executed.values()) / max(1, asked), 0)
    return [
        f"Epochs: {asked:,} asked for by the cells, {sum(executed.values()):,} executed, each job once ({share} %)."
    ]


def mean(entry: Entry, field: str) -> float:
    """Return the mean over seeds of a field of the records."""
    return float(sum(getattr(record, field) for record in entry.records)) / entry.seeds
