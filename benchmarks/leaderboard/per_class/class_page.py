"""`<suite>/per-class/<backbone>.md`: each class under every strategy, and which classes a strategy helped or hurt."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from benchmarks.leaderboard import describe, texts
from benchmarks.leaderboard.columns import Column, render
from benchmarks.leaderboard.compared import tuned
from benchmarks.leaderboard.figures.registry import Drawn
from benchmarks.leaderboard.markdown import NOTHING, escape, folded, number, page
from benchmarks.leaderboard.per_class.best_of_class import best_of_class
from benchmarks.leaderboard.per_class.class_blocks import accuracies, class_blocks, wilson
from benchmarks.leaderboard.sections import BASELINE, Entry, Section
from benchmarks.leaderboard.suite_page import TITLES
from benchmarks.records import confusions
from benchmarks.records.kinds import NOTE, marked_name
from benchmarks.support.words import counted

MOST = 3  # classes named as helped, and as hurt


def class_page(suite: str, backbone: str, found: Sequence[Section], figures: Sequence[Drawn] = ()) -> str:
    """Return the text of a backbone's page, from sections that hold only its entries; `figures`: the suite's."""
    blocks = [
        f"# Class by class: {escape(backbone)} on {escape(suite)}",
        "Back to the [leaderboard](../leaderboard.md).",
        *(one.markdown("../") for one in figures if one.page == "per-class" and one.backbone == backbone),
    ]
    for position, section in enumerate(found, start=1):
        merged = section.merged()
        by_name = sorted(section.entries, key=lambda e: (e.strategy != BASELINE, e.strategy))
        if len(found) > 1:
            blocks.append(f"## Conditions {position}{tuned.title(section)}")
        blocks += [describe.conditions(section.first), *describe.imagenet_file(section.first), _seeds(section)]
        blocks += [NOTE] if section.transductive else []
        for stage, result in enumerate(section.first.stages):
            top1_EC = np.array([accuracies(entry, stage)[0] for entry in by_name])
            blocks += [f"## {TITLES[result.name]}", *best_of_class(result, by_name, top1_EC, stage)]
            blocks += class_blocks(merged, merged.entries, stage)
            blocks += _changes(merged, merged.entries, stage)
            blocks += texts.asked(by_name, stage)
    return page(blocks)


def _seeds(section: Section) -> str:
    """Return how many seeds the means are over."""
    counts = {entry.seeds for entry in section.entries}
    if len(counts) == 1:
        return f"Means over {counted(counts.pop(), 'seed')}."
    few = (f"{escape(e.strategy)} {counted(e.seeds, 'seed')}" for e in section.entries if e.seeds < max(counts))
    return f"Means over {counted(max(counts), 'seed')}, but {', '.join(few)}."


@dataclasses.dataclass(frozen=True)
class Change:
    """What a strategy changed on one class: top-1 before and after, test rows, and what the class was taken for."""

    strategy: str
    label: str
    before: float
    after: float
    rows: int
    taken_for: str


CHANGES: tuple[Column[Change], ...] = (
    Column("strategy", lambda change: marked_name(change.strategy), escape, left=True),
    Column("class", lambda change: change.label, escape, left=True),
    Column("change in top-1", lambda change: number(change.after - change.before, 2, signed=True)),
    Column("test rows", lambda change: change.rows),
    Column(f"{BASELINE} [95 %]", lambda change: wilson(change.before, change.rows)),
    Column("strategy [95 %]", lambda change: wilson(change.after, change.rows)),
    Column("taken for", lambda change: change.taken_for),
)


def _changes(section: Section, entries: Sequence[Entry], stage: int) -> list[str]:
    """Return, per strategy, the classes that gained and lost most against plain training; nothing without it."""
    base = next((e for e in entries if BASELINE in e.names), None)
    result = section.first.stages[stage]
    if base is None or len(entries) < 2 or result.rows == 0:
        return []
    before_C = accuracies(base, stage)[0]
    before_CC = confusions.mean(base.records, stage)
    rows: list[Change] = []
    for entry in entries:
        after_C, after_CC = accuracies(entry, stage)[0], confusions.mean(entry.records, stage)
        moved_CC = None if before_CC is None or after_CC is None else (before_CC, after_CC)
        for c in _most_changed(after_C - before_C, np.array(result.test_n)) if entry is not base else ():
            before, after = float(before_C[c]), float(after_C[c])
            taken_for = _mistaken(result.classes, c, after < before, moved_CC)
            rows.append(Change(entry.title, result.classes[c], before, after, result.test_n[c], taken_for))
    if not rows:
        return []
    return [
        f"### What changed most against {BASELINE}: {TITLES[result.name].lower()}",
        folded(render(CHANGES, rows), f"{len(entries) - 1} strategies"),
        f"Up to {MOST} classes that gained and {MOST} that lost, picked by change times the square root of the test "
        "rows, so that a class with one row does not crowd out the rest. In brackets Wilson's interval for that many "
        "test rows; where the two overlap widely, a change is no more than a hint. *Taken for*: the class that most of "
        f"the change went to, or came from, and how many test rows were taken for it under {BASELINE} and under the "
        "strategy; `python -m benchmarks explain CLASS` shows more.",
    ]


def _most_changed(change_C: np.ndarray, test_C: np.ndarray) -> list[int]:
    """Return the classes that gained most, best first, then those that lost most, worst last."""
    shown_C = np.where(np.abs(change_C) < 0.005, 0.0, np.nan_to_num(change_C))  # is written as 0.00
    weight_C = np.round(shown_C * np.sqrt(test_C), 9)
    order = np.argsort(-weight_C, kind="stable")
    gained = [int(c) for c in order if weight_C[c] > 0][:MOST]
    lost = [int(c) for c in order if weight_C[c] < 0][-MOST:]
    return gained + lost


def _mistaken(classes: Sequence[str], c: int, lost: bool, moved_CC: tuple[np.ndarray, np.ndarray] | None) -> str:
    """Return "Tunics 12 → 31": the class that `c` is mistaken for with the largest increase (decrease if `c` gained).

    `moved_CC`: the mean confusions before and after; a dash if they are not known or nothing changed in that direction.
    """
    if moved_CC is None:
        return NOTHING
    before_C, after_C = moved_CC[0][c], moved_CC[1][c]
    change_C = (after_C - before_C) * (1 if lost else -1)
    most = int(change_C.argmax())
    return f"{escape(classes[most])} {before_C[most]:g} → {after_C[most]:g}" if change_C[most] > 0 else NOTHING
