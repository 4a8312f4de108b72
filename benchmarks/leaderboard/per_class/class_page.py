"""`<suite>/per-class/<backbone>.md`: every class under every strategy, and which classes a strategy helped or hurt."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from benchmarks.leaderboard import describe, published, texts
from benchmarks.leaderboard.columns import Column, render
from benchmarks.leaderboard.compared import tuned
from benchmarks.leaderboard.figures.registry import Drawn
from benchmarks.leaderboard.markdown import NOTHING, escape, folded, number, page
from benchmarks.leaderboard.per_class.best_of_class import best_of_class
from benchmarks.leaderboard.sections import BASELINE, Entry, Section
from benchmarks.leaderboard.suite_page import TITLES
from benchmarks.records import confusions, stats

MOST = 3  # classes named as helped, and as hurt
WIDEST = 9  # strategies next to plain training in one table; more do not fit GitHub's page


def class_page(suite: str, backbone: str, found: Sequence[Section], figures: Sequence[Drawn] = ()) -> str:
    """Return the text of a backbone's page, from sections that hold only its entries; `figures`: the suite's."""
    blocks = [
        f"# Class by class: {escape(backbone)} on {escape(suite)}",
        "Back to the [leaderboard](../leaderboard.md).",
        *(one.markdown("../") for one in figures if one.page == "per-class" and one.backbone == backbone),
    ]
    for position, section in enumerate(found, start=1):
        entries = sorted(section.entries, key=lambda e: (e.strategy != BASELINE, e.strategy))
        if len(found) > 1:
            blocks.append(f"## Conditions {position}{tuned.title(section)}")
        blocks += [describe.conditions(section.first), *describe.imagenet_file(section.first)]
        for stage, result in enumerate(section.first.stages):
            top1_EC = np.array([_accuracies(entry, stage)[0] for entry in entries])
            blocks += [f"## {TITLES[result.name]}", *best_of_class(result, entries, top1_EC, stage)]
            blocks += _classes(section, entries, stage)
            blocks += _changes(section, entries, stage)
            blocks += texts.asked(entries, stage)
    return page(blocks)


def _classes(section: Section, entries: Sequence[Entry], stage: int) -> list[str]:
    """Return the tables of a stage's classes: rows, published figures, top-1 / top-5 of each strategy."""
    result = section.first.stages[stage]
    columns: list[Column[int]] = [  # of classes, by position
        Column("class", lambda c: result.classes[c], escape, left=True),
        Column("training rows", lambda c: f"{result.train_n[c]:,}"),
        Column("test rows", lambda c: f"{n:,}" if (n := result.test_n[c]) else "no test rows"),
    ]
    note = "Top-1 / top-5 accuracy, mean over seeds: "
    note += ", ".join(f"{escape(e.title)} {e.seeds} seed{'' if e.seeds == 1 else 's'}" for e in entries) + "."
    reference = published.of_class(section.first)
    if reference:
        known = {c: reference[name] for c, name in enumerate(result.classes) if name in reference}
        columns.append(Column(f"study ({published.LABEL})", lambda c: _pair(*known[c]) if c in known else ""))
        note += (
            f" The column of the study is what {published.WHO}, reached as published; it was not run here. Where it is "
            "blank, the study's table has no such class: it lists only classes with a hit."
        )
    blocks = []
    base, others = [[e for e in entries if (e.strategy == BASELINE) == plain] for plain in (True, False)]
    for at in range(0, max(1, len(others)), WIDEST):
        shown = [_top1_and_top5(entry, stage) for entry in base + others[at : at + WIDEST]]
        blocks.append(render([*columns, *shown], range(len(result.classes))))
    return [*blocks, note]


def _top1_and_top5(entry: Entry, stage: int) -> Column[int]:
    """Return a strategy's column: top-1 / top-5 of each class."""
    top1_C, top5_C = _accuracies(entry, stage)
    return Column(escape(entry.title), lambda c: _pair(float(top1_C[c]), float(top5_C[c])))


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
    Column("strategy", lambda change: change.strategy, escape, left=True),
    Column("class", lambda change: change.label, escape, left=True),
    Column("change in top-1", lambda change: number(change.after - change.before, 2, signed=True)),
    Column("test rows", lambda change: change.rows),
    Column(f"{BASELINE} [95 %]", lambda change: _wilson(change.before, change.rows)),
    Column("strategy [95 %]", lambda change: _wilson(change.after, change.rows)),
    Column("taken for", lambda change: change.taken_for),
)


def _changes(section: Section, entries: Sequence[Entry], stage: int) -> list[str]:
    """Return, per strategy, the classes that gained and lost most against plain training; nothing without it."""
    base = next((e for e in entries if e.strategy == BASELINE), None)
    result = section.first.stages[stage]
    if base is None or len(entries) < 2 or result.rows == 0:
        return []
    before_C = _accuracies(base, stage)[0]
    before_CC = confusions.mean(base.records, stage)
    rows: list[Change] = []
    for entry in entries:
        after_C, after_CC = _accuracies(entry, stage)[0], confusions.mean(entry.records, stage)
        moved_CC = None if before_CC is None or after_CC is None else (before_CC, after_CC)
        for c in _most_changed(after_C - before_C, np.array(result.test_n)) if entry is not base else ():
            before, after = float(before_C[c]), float(after_C[c])
            taken_for = _mistaken(result.classes, c, after < before, moved_CC)
            rows.append(Change(entry.strategy, result.classes[c], before, after, result.test_n[c], taken_for))
    if not rows:
        return []
    changes = render(CHANGES, rows)
    return [
        f"### What changed most against {BASELINE}: {TITLES[result.name].lower()}",
        changes if len(entries) <= WIDEST + 1 else folded(changes, f"{len(entries) - 1} strategies"),
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
    """Return "Tunics 12 → 31", the class that class `c` is taken for most more often (less often where it gained).

    `moved_CC`: the mean confusions before and after; a dash if they are not known or nothing changed in that direction.
    """
    if moved_CC is None:
        return NOTHING
    before_C, after_C = moved_CC[0][c], moved_CC[1][c]
    change_C = (after_C - before_C) * (1 if lost else -1)
    most = int(change_C.argmax())
    return f"{escape(classes[most])} {before_C[most]:g} → {after_C[most]:g}" if change_C[most] > 0 else NOTHING


def _accuracies(entry: Entry, stage: int) -> tuple[np.ndarray, np.ndarray]:
    """Return top-1 and top-5 accuracy per class, mean over seeds, float64 [C]; NaN without test rows."""
    results = [record.stages[stage] for record in entry.records]
    test_C = np.array(results[0].test_n, dtype=np.float64)
    test_C[test_C == 0] = np.nan
    top1_C = np.mean([r.top1_hits for r in results], axis=0) / test_C
    return top1_C, np.mean([r.top5_hits for r in results], axis=0) / test_C


def _pair(top1: float, top5: float) -> str:
    """Return "0.84 / 0.97", a dash if neither is known."""
    return NOTHING if math.isnan(top1) and math.isnan(top5) else f"{number(top1, 2)} / {number(top5, 2)}"


def _wilson(accuracy: float, rows: int) -> str:
    """Return "0.43 [0.21, 0.67]"."""
    low, high = stats.wilson(accuracy * rows, rows)
    return f"{number(accuracy, 2)} [{number(low, 2)}, {number(high, 2)}]"
