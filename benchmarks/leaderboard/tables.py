"""The tables of a section: stages, differences from plain training, cost. Each ends with a note on its columns."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

from benchmarks.leaderboard import describe
from benchmarks.leaderboard.columns import BACKBONE, STRATEGY, Best, Column, of_metric, render
from benchmarks.leaderboard.markdown import NOTHING, escape, number
from benchmarks.leaderboard.requested import Q, stage_metrics
from benchmarks.leaderboard.sections import BASELINE, Entry, Section
from benchmarks.leaderboard.ties import Marked, marked
from benchmarks.records.stats import Difference
from benchmarks.support.words import counted

FEW_CLASSES = 10  # top-5 of so few says nothing
_GROUPS = ("many", "medium", "few")


def stage_columns(section: Section, stage: int, extra: Sequence[str] = ()) -> list[Column[Entry]]:
    """Return the columns of a stage's table, `extra`: those on request."""
    classes = section.first.stages[stage].classes

    def worst_class(entry: Entry) -> str:
        position = entry.scores[stage].worst_class
        if position < 0:
            return ""
        rows = section.first.stages[stage].test_n[position]
        few = f" ({counted(rows, 'test row')})" if rows < describe.FEW_ROWS_OF_CLASS else ""
        return f" {escape(classes[position])}{few}"

    tops = [
        of_metric(name, stage, header, top, spread=top == 1)
        for top in ((1, 5) if len(classes) > FEW_CLASSES else (1,))
        for name, header in (("overall", f"top-{top}"), ("class-mean", f"top-{top} class mean"))
    ]
    groups = [
        of_metric(name, stage)
        for name in _GROUPS
        if not all(math.isnan(entry.scores[stage].mean(name)) for entry in section.entries)
    ]
    return [
        *_backbone(section),
        STRATEGY,
        *tops,
        *groups,
        Column("worst class", lambda e: e.scores[stage].pooled["worst"], number, best="highest", after=worst_class),
        of_metric("zeros", stage),
        *stage_metrics(extra, stage),
    ]


def stage_table(section: Section, stage: int, extra: Sequence[str] = ()) -> list[str]:
    """Return a stage's table: top-1 and top-5, overall and class mean, groups by training rows, worst class, zeros.

    `extra`: further columns on request.
    """
    classes = section.first.stages[stage].classes
    note = (
        "Means over seeds, ± standard deviation. *Many*, *medium*, *few*: top-1 class mean of the classes with more "
        "than 100, 20 to 100, fewer than 20 training rows (groups without test rows are left out). *Worst class*: the "
        "lowest top-1 over all seeds. *Classes at zero*: classes with test rows without a single hit."
    )
    untested = [name for name, n in zip(classes, section.first.stages[stage].test_n, strict=True) if n == 0]
    if untested:
        note += f" No test rows, so not scored: {', '.join(escape(name) for name in untested)}."
    return [render(stage_columns(section, stage, extra), section.entries), note]


def against_columns(section: Section, entries: Sequence[Entry], q: bool = False) -> list[Column[Entry]]:
    """Return the columns of the table of differences from plain training, marks corrected within each column.

    `q`: each with its Benjamini-Hochberg q-values.
    """
    stages = [(stage, result.name) for stage, result in reversed(list(enumerate(section.first.stages)))]
    seeds = Column[Entry]("seeds", lambda entry: len({ours.seed for ours, _ in section.comparable(entry)}))
    return [
        *_backbone(section),
        STRATEGY,
        *([seeds] if len({seeds.value(entry) for entry in entries}) > 1 else []),
        *(
            column
            for stage, name in stages
            for label, position in (("class mean", 1), ("top-1", 0))
            for column in _difference(f"{name} {label}", marked(section, entries, stage, position), q)
        ),
    ]


def _difference(header: str, found: Mapping[tuple[str, str], Marked], q: bool) -> list[Column[Entry]]:
    """Return the column of the differences that `found` has by entry key, with that of their q-values if wanted."""
    shown = Column[Entry](header, lambda entry: found.get(entry.key), marked_interval)
    if not q:
        return [shown]
    return [shown, Column("q", lambda entry: found[entry.key].q if entry.key in found else math.nan, number)]


def against(section: Section, extra: Sequence[str] = ()) -> list[str]:
    """Return the paired differences from plain training on the same backbone, with intervals; q-values on request."""
    entries = [e for e in section.entries if section.comparable(e)]
    if not entries:
        return [f"No strategy ran with `{BASELINE}` on the same backbone and seed, so there is nothing to compare."]
    note = " *q*: Benjamini-Hochberg q-value of the difference before it, over the same comparisons."
    return [
        render(against_columns(section, entries, Q in extra), entries),
        f"Accuracy minus that of `{BASELINE}` on the same backbone, test row by test row and seed by seed, with its "
        "95 % interval, which is not corrected. ▲ better and ▼ worse at a family-wise error rate of 5 %: "
        f"Holm-corrected for the {family_sizes([entry.backbone for entry in entries])}. With one seed the interval "
        "covers other test rows only: another training may differ by more." + (note if Q in extra else ""),
    ]


def family_sizes(backbones: Sequence[str]) -> str:
    """Return the words on family sizes; `backbones`: one per comparison, those on one backbone form a family."""
    sizes = Counter(backbones)
    if len(sizes) == 1:
        return f"{counted(len(backbones), 'comparison')} of each column"
    of_each = ", ".join(f"{escape(backbone)} {size}" for backbone, size in sorted(sizes.items()))
    return f"comparisons of each column on the same backbone ({of_each})"


def interval(difference: Difference | None, real: bool | None = None) -> str:
    """Return "+0.031 [+0.012, +0.050] ▲"; `real`: whether it is marked, by default where the interval excludes 0."""
    if difference is None:
        return NOTHING
    mark = (" ▲" if difference.value > 0 else " ▼") if (difference.real if real is None else real) else ""
    low, high = (number(bound, signed=True) for bound in (difference.low, difference.high))
    return f"{number(difference.value, signed=True)} [{low}, {high}]{mark}"


def marked_interval(one: Marked | None) -> str:
    """Return `interval` of a difference with the mark of its family's correction."""
    return interval(one.difference, one.real) if one else NOTHING


def _backbone(section: Section) -> list[Column[Entry]]:
    """Return the backbone's column; none where all entries have the same."""
    return [BACKBONE] if len({entry.backbone for entry in section.entries}) > 1 else []


def cost_columns(section: Section) -> list[Column[Entry]]:
    """Return the columns of the table of costs; the best is marked only where one machine measured all."""
    one = len({describe.machines(entry.records) for entry in section.entries}) == 1
    least: Best | None = "lowest" if one else None
    most: Best | None = "highest" if one else None
    machine: Column[Entry] = Column("machine", lambda entry: describe.machines(entry.records), left=True)
    return [
        *_backbone(section),
        STRATEGY,
        *([] if one else [machine]),
        *([] if _one_precision(section) else [Column[Entry]("computed in", _precision, left=True)]),
        Column("alone", lambda entry: mean(entry, "seconds_alone"), describe.seconds, best=least),
        Column("marginal", lambda entry: mean(entry, "seconds_marginal"), describe.seconds),
        Column("images/s", _images_per_second, partial(number, digits=0), best=most),
        Column("peak GiB", _peak_gib, partial(number, digits=2), best=least),
    ]


def _precision(entry: Entry) -> str:
    return describe.precision(entry.records)


def _one_precision(section: Section) -> str:
    """Return data type and layout of all records; empty where they differ."""
    found = {_precision(entry) for entry in section.entries}
    return found.pop() if len(found) == 1 else ""


def _images_per_second(entry: Entry) -> float:
    rates = [stage.img_per_s for record in entry.records for stage in record.stages]
    return sum(rates) / len(rates)


def _peak_gib(entry: Entry) -> float:
    return max(record.cost.peak_memory_bytes for record in entry.records) / 2**30


def cost(section: Section) -> list[str]:
    """Return times, throughput and memory."""
    return [
        render(cost_columns(section), section.entries),
        "Per seed. *Alone*: time of all the jobs that the cell needs; *marginal*: what it added to the cells that ran "
        "before it, whose jobs it shares. *Images/s*: training throughput, mean over stages."
        + (f" Computed in {one}." if (one := _one_precision(section)) else ""),
        *_epochs(section),
    ]


def _epochs(section: Section) -> list[str]:
    """Return the sentence on epochs planned and executed; nothing for older records, which do not list both."""
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
    """Return the mean over records of a field of `Cost`."""
    return float(sum(getattr(record.cost, field) for record in entry.records)) / len(entry.records)
