"""The folded blocks of a page, one per class: the strategies that matter there, and what the class is taken for.

There is no figure per class, which could mean a hundred more files per suite: one figure at the top of the page shows
every class under plain training and the best strategy. `report` plots single classes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from benchmarks.leaderboard import published
from benchmarks.leaderboard.columns import Column, render
from benchmarks.leaderboard.markdown import NO_BREAK, NOTHING, escape, folded, number, plain_html
from benchmarks.leaderboard.sections import BASELINE, Entry, Section
from benchmarks.leaderboard.tables import FEW_CLASSES
from benchmarks.leaderboard.ties import kind
from benchmarks.records import confusions, stats
from benchmarks.records.kinds import IMAGES

BEST_RANKED = 6  # strategies of the ranking with a row in every block, next to plain training
MOST_TAKEN_FOR = 3

NOTE = (
    f"Each class opens to `{BASELINE}`, the {BEST_RANKED} best ranked strategies of images alone, and the highest and "
    "the lowest on it: top-1 with Wilson's 95 % interval for that many test rows, the change from plain training, and "
    "for which classes test rows are taken most (mean over seeds). The highest of many was lucky too: *best* in the "
    "table above is chosen on validation rows. `python -m benchmarks explain CLASS` and `report` have the paired "
    "intervals of the changes."
)


@dataclasses.dataclass(frozen=True)
class Row:
    """A strategy on one class; `change`: from plain training, NaN for itself or without it."""

    strategy: str
    top1: float
    top5: float
    rows: int
    change: float
    taken_for: str


def class_blocks(section: Section, entries: Sequence[Entry], stage: int) -> list[str]:
    """Return a block per class with test rows and a sentence on the others; `entries`: best ranked first."""
    result = section.first.stages[stage]
    top1_EC, top5_EC = (np.array([accuracies(entry, stage)[top] for entry in entries]) for top in (0, 1))
    taken = [confusions.mean(entry.records, stage) for entry in entries]
    kinds = [(BASELINE not in entry.names, kind(entry) != IMAGES) for entry in entries]
    first = sorted(range(len(entries)), key=kinds.__getitem__)[: BEST_RANKED + 1]
    plain = first[0] if BASELINE in entries[first[0]].names else None
    labels = [escape(name) for name in result.classes]
    titles = [escape(entry.title) for entry in entries]
    columns = _columns(len(result.classes))

    def row(e: int, c: int) -> Row:
        """Return the row of entry `e` in the block of class `c`."""
        change = math.nan if plain in (None, e) else float(top1_EC[e, c] - top1_EC[plain, c])
        top1, top5 = float(top1_EC[e, c]), float(top5_EC[e, c])
        return Row(titles[e], top1, top5, result.test_n[c], change, _taken_for(taken[e], c, labels))

    blocks = [NOTE]
    for c in (c for c, n in enumerate(result.test_n) if n):
        by_top1 = sorted(range(len(entries)), key=lambda e: -round(float(top1_EC[e, c]), 9))
        shown = dict.fromkeys([*first, by_top1[0], by_top1[-1]])
        texts = [render(columns, [row(e, c) for e in shown], _published(section, result.classes[c]))]
        others = [f"{number(float(top1_EC[e, c]), 2)} {titles[e]}" for e in by_top1 if e not in shown]
        if others:
            texts.append(f"The others: {', '.join(others)}.")
        best = ", ".join(f"{plain_html(entries[e].title)} {number(float(top1_EC[e, c]), 2)}" for e in first[:2])
        rows = f"{result.train_n[c]:,} training and {result.test_n[c]:,} test rows"
        blocks.append(folded("\n\n".join(texts), f"<b>{plain_html(result.classes[c])}</b>, {rows}: {best}"))
    untested = [label for label, n in zip(labels, result.test_n, strict=True) if not n]
    return [*blocks, *([f"No test rows, so not scored: {', '.join(untested)}."] if untested else [])]


def _columns(classes: int) -> list[Column[Row]]:
    """Return the columns of a block; top-5 only among more than `FEW_CLASSES` classes."""
    return [
        Column("strategy", lambda row: row.strategy, left=True),
        Column("top-1 [95 %]", lambda row: wilson(row.top1, row.rows)),
        *(
            [Column[Row]("top-5", lambda row: row.top5, lambda value: number(value, 2))]
            if classes > FEW_CLASSES
            else []
        ),
        Column(f"minus {BASELINE}", lambda row: row.change, lambda value: number(value, 2, signed=True)),
        Column("taken for", lambda row: row.taken_for),
    ]


def _taken_for(taken_CC: np.ndarray | None, c: int, labels: Sequence[str]) -> str:
    """Return the classes that class `c` is taken for most, with test rows; a dash where that is none or not known."""
    if taken_CC is None:
        return NOTHING
    most = np.argsort(-np.round(taken_CC[c], 6), kind="stable")[:MOST_TAKEN_FOR]
    return ", ".join(f"{labels[k]}{NO_BREAK}{taken_CC[c, k]:.3g}" for k in most if taken_CC[c, k] > 0) or NOTHING


def _published(section: Section, name: str) -> dict[str, str] | None:
    """Return the row of the study's published figures; None for a class that its tables do not have."""
    known = published.of_class(section.first).get(name)
    if known is None:
        return None
    top1, top5 = (number(value, 2) for value in known)
    return {"strategy": f"{published.WHO} ({published.LABEL})", "top-1 [95 %]": top1, "top-5": top5}


def accuracies(entry: Entry, stage: int) -> tuple[np.ndarray, np.ndarray]:
    """Return top-1 and top-5 accuracy per class, mean over seeds, float64 [C]; NaN without test rows."""
    results = [record.stages[stage] for record in entry.records]
    test_C = np.array(results[0].test_n, dtype=np.float64)
    test_C[test_C == 0] = np.nan
    top1_C = np.mean([r.top1_hits for r in results], axis=0) / test_C
    return top1_C, np.mean([r.top5_hits for r in results], axis=0) / test_C


def wilson(accuracy: float, rows: int) -> str:
    """Return "0.43 [0.21, 0.67]"."""
    low, high = stats.wilson(accuracy * rows, rows)
    return f"{number(accuracy, 2)} [{number(low, 2)}, {number(high, 2)}]".replace(" ", NO_BREAK)
