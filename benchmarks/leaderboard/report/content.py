"""What a report shows, as JSON values: sections, entries in tie groups, hits of classes, bits of rows, confusions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.leaderboard import describe, tables, trade
from benchmarks.leaderboard.compared import tuned
from benchmarks.leaderboard.figures.learning_curves import What, curve
from benchmarks.leaderboard.sections import Entry, Section
from benchmarks.leaderboard.ties import kind, marked, placed
from benchmarks.records import confusions, metrics
from benchmarks.records.kinds import IMAGES, NAMES, TEST_ROWS, marked_name
from benchmarks.records.record import Record
from benchmarks.suites.reproduce import training_command

MOST_BITS = 2_000_000  # characters; beyond it a page would take too long to open, and has no intervals of classes
MOST_OTHERS = 8  # classes that a class is taken for, by entry
STEPS = 400  # of Student's quantiles, between which the page interpolates
RANKED_BY = ("class-mean", "overall")
KINDS = (IMAGES, NAMES, TEST_ROWS)


# of a stage, per class: (position among the class's test rows, picture as a data URI) of some rows
Pictures = list[list[list[tuple[int, str]]]]


def content(
    suite: str,
    found: Sequence[Section],
    failed: Sequence[Record],
    pictures: Callable[[Section], Pictures] | None = None,
) -> dict[str, Any]:
    """Return all that the page of a suite shows; the same records give the same content, on every machine.

    `pictures(section)`: pictures of some test rows, per stage; omitted without it or if the page has no bits.
    """
    sections = [(section.merged(), _section(section.merged())) for section in found]
    return {
        "suite": suite,
        "sections": [
            {**told, "pictures": pictures(section) if pictures and told["hasBits"] else None}
            for section, told in sections
        ],
        "failed": [{"name": record.name, "error": record.error or ""} for record in failed],
        "quantiles": _quantiles(),
    }


def _section(section: Section) -> dict[str, Any]:
    """Return a section: its conditions, classes and entries."""
    stages, setup = section.first.stages, section.first.setup
    across, up = trade.axes(section)
    size = sum(len(stage.top1_bits) for entry in section.entries for r in entry.records for stage in r.stages)
    bits = size <= MOST_BITS and section.splits == 1  # the page pairs test rows of one split
    marks = [marked(section, section.entries, stage, 1) for stage in range(len(stages))]
    places, front = _places(section), _front(section, (across, up))
    return {
        "title": f"{setup.dataset}, {setup.protocol}, {setup.image_size} px{tuned.title(section)}",
        "recipe": [[name, str(value)] for name, value in describe.flat(section.first.shared_recipe)],
        "fingerprint": setup.fingerprint,
        "across": across.label,
        "up": up.label,
        "columns": [[s, f"{stages[s].name} {metrics.get(m).header}"] for s, m in _columns(section)],
        "stages": [
            {"name": s.name, "classes": s.classes, "train": s.train_n, "test": s.test_n, "rows": s.rows} for s in stages
        ],
        "hasBits": bits,
        "entries": [
            {
                **_entry(section, entry, bits),
                "group": places[entry.key][0],
                "ranks": places[entry.key][1],
                "x": _finite(across.of(entry)),
                "y": _finite(up.of(entry)),
                "front": entry.key in front,
                "against": [_against(one.get(entry.key)) for one in marks],
            }
            for entry in section.entries
        ],
    }


def _columns(section: Section) -> list[tuple[int, str]]:
    """Return (stage, metric) of the ranking's columns, the last stage first."""
    return [(stage, name) for stage in range(len(section.first.stages))[::-1] for name in RANKED_BY]


def _places(section: Section) -> dict[tuple[str, str], tuple[int, tuple[int, int]]]:
    """Return tie group and ranks by entry key; each kind of strategy has its own ranking."""
    kinds = {kind(entry) for entry in section.entries}
    rankings = (placed([e for e in section.entries if kind(e) == name]) for name in sorted(kinds))
    return {row.entry.key: (row.group, row.ranks) for ranking in rankings for row in ranking}


def _front(section: Section, axes: tuple[trade.Axis, trade.Axis]) -> set[tuple[str, str]]:
    """Return the keys of the entries on the Pareto front of their backbone and kind."""
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in section.entries:
        if not math.isnan(axes[0].of(entry) + axes[1].of(entry)):
            groups.setdefault((entry.backbone, kind(entry)), []).append(entry)
    return {
        entries[k].key
        for entries in groups.values()
        for k in trade.front([(axes[0].of(e), axes[1].of(e)) for e in entries])
    }


def _entry(section: Section, entry: Entry, bits: bool) -> dict[str, Any]:
    """Return what belongs to an entry alone."""
    stages = range(len(section.first.stages))
    return {
        "backbone": entry.backbone,
        "names": [marked_name(name) for name in entry.names],
        "kind": kind(entry),
        "kindAt": KINDS.index(kind(entry)),
        "values": [_finite(entry.scores[s].mean(m)) for s, m in _columns(section)],
        "spread": [_finite(entry.scores[s].deviation(m)) for s, m in _columns(section)],
        "seconds": _finite(tables.mean(entry, "seconds_alone")),
        "seeds": [f"{r.seed}, split {r.split}" if r.split else r.seed for r in entry.records],
        "cells": [_cell(record) for record in entry.records],
        "hits": [
            [sum(hits) for hits in zip(*(r.stages[s].top1_hits for r in entry.records), strict=True)] for s in stages
        ],
        "bits": [[record.stages[s].top1_bits for record in entry.records] for s in stages] if bits else None,
        "taken": [_taken(entry, s) for s in stages],
        "curves": [_curves(entry, s) for s in stages],
    }


def _cell(record: Record) -> dict[str, Any]:
    """Return how a cell came about and how to train it again."""
    return {
        "seed": f"{record.seed}, split {record.split}" if record.split else record.seed,
        "made": record.made,
        "device": str(record.environment.hardware.get("gpu") or record.environment.hardware.get("cpu") or ""),
        "key": record.key,
        "notes": record.notes,
        "command": training_command(record),
    }


def _taken(entry: Entry, stage: int) -> list[list[int]] | None:
    """Return per class [other, rows, other, rows, ...], most first, summed over seeds; None where none were kept."""
    taken_CC = confusions.total(entry.records, stage)
    if taken_CC is None:
        return None
    most = [sorted((-rows, other) for other, rows in enumerate(row_C) if rows)[:MOST_OTHERS] for row_C in taken_CC]
    return [[int(number) for rows, other in pairs for number in (other, -rows)] for pairs in most]


def _curves(entry: Entry, stage: int) -> dict[str, list[float]]:
    """Return loss and accuracy of each epoch, mean over seeds; empty lists where none were kept."""
    names: tuple[What, ...] = ("losses", "accuracies")
    found = {name: curve(entry, stage, name) for name in names}
    return {name: [] if values is None else [round(float(v), 4) for v in values] for name, values in found.items()}


def _against(one: Any) -> list[Any] | None:
    """Return [difference, low, high, whether it is marked]; None without plain training to compare with."""
    if one is None:
        return None
    difference = one.difference
    return [_finite(difference.value), _finite(difference.low), _finite(difference.high), one.real]


def _quantiles() -> list[float]:
    """Return Student's 97.5 % quantiles at 1 / freedom = k / STEPS, k from 0 to STEPS."""
    from scipy.special import ndtri, stdtrit

    found = [float(ndtri(0.975)), *(float(stdtrit(STEPS / k, 0.975)) for k in range(1, STEPS + 1))]
    return [round(quantile, 6) for quantile in found]


def _finite(value: float) -> float | None:
    """Return the number with 6 decimals; None where it is not finite, which JSON cannot say."""
    return round(value, 6) if math.isfinite(value) else None
