"""Why a strategy gained or lost on a class: rows won and lost, and confusions, computed from records alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from backbones.errors import nearest
from benchmarks.leaderboard.sections import BASELINE, sections
from benchmarks.records import confusions, stats, storage
from benchmarks.records.record import Record, StageResult
from benchmarks.support.errors import UserError


@dataclasses.dataclass(frozen=True)
class Moved:
    """Test rows (mean over seeds) confused with class `other`: `before`, and `after` with the strategy."""

    other: str
    before: float
    after: float


@dataclasses.dataclass(frozen=True)
class Explanation:
    """One class under two strategies on one backbone, over the seeds and splits that both have, `trained` in all.

    `top1`, `top5`: (before, after) in [0, 1]. `won`, `lost`: test rows, summed over these, that only the strategy or
    only the one it is compared with (`against`) classifies correctly. `taken_for`: rows of this class predicted as
    other classes; `taken_in`: rows of other classes predicted as this one; both None if a record has no confusions.
    """

    record: Record
    against: str
    seeds: int
    splits: int
    trained: int
    stage: int
    position: int
    top1: tuple[float, float]
    top5: tuple[float, float]
    difference: stats.Difference
    won: int
    lost: int
    taken_for: tuple[Moved, ...] | None
    taken_in: tuple[Moved, ...] | None


def explain(
    out: Path,
    label: str,
    strategy: str | None = None,
    against: str = BASELINE,
    backbone: str | None = None,
    suite: str | None = None,
) -> list[Explanation]:
    """Return the explanations of class `label` per suite and backbone on which both strategies ran.

    Reads the records below `out`. Without `strategy`, explains all except `against`, best first. Raises UserError if
    there is no such class or strategy.
    """
    every = [
        r
        for r in storage.read_below(out)
        if r.status == "done" and suite in (None, r.suite) and backbone in (None, r.backbone)
    ]
    if not every:
        asked = " and ".join(
            f"--{option} {given}" for option, given in (("suite", suite), ("backbone", backbone)) if given is not None
        )
        of = f" of {asked}" if asked else ""
        raise UserError(f"no finished record{of} below {out}; `status --out {out}` shows what is there.")
    known = sorted({name for record in every for stage in record.stages for name in stage.classes})
    meant = [name for name in known if name.casefold() == label.casefold()]
    if not meant:
        raise UserError(f"no class {label!r} in the records below {out}{nearest(label, known)}.")
    ran = sorted({record.strategy for record in every})
    for wanted in (strategy, against):
        if wanted is not None and wanted not in ran:
            raise UserError(f"no finished record of strategy {wanted!r} below {out}{nearest(wanted, ran)}.")
    found = [one for name in sorted({r.suite for r in every})
             for one in _of_suite([r for r in every if r.suite == name], meant[0], strategy, against)]  # fmt: skip
    if not found and not any(_tested(stage, meant[0]) for record in every for stage in record.stages):
        raise UserError(f"class {meant[0]!r} has no test rows, so no strategy can be measured on it.")
    if not found:
        if ran == [against]:
            raise UserError(f"only {against} has records below {out}; run another strategy to compare with it.")
        raise UserError(
            f"{strategy or 'no strategy'} and {against} share no backbone and seed on class {meant[0]!r}; run both."
        )
    return found


def _of_suite(every: Sequence[Record], label: str, strategy: str | None, against: str) -> Iterator[Explanation]:
    for section in sections(every):
        told = [one for entry in section.entries if strategy in (None, entry.strategy) and entry.strategy != against
                for one in _of_entry(section.comparable(entry, against), label)]  # fmt: skip
        yield from sorted(told, key=lambda one: (one.record.backbone, -one.difference.value, one.record.strategy))


def _of_entry(pairs: Sequence[tuple[Record, Record]], label: str) -> Iterator[Explanation]:
    for stage, result in enumerate(pairs[0][0].stages if pairs else ()):
        if _tested(result, label):
            yield _explained(pairs, stage, result.classes.index(label))


def _tested(result: StageResult, label: str) -> bool:
    return label in result.classes and result.test_n[result.classes.index(label)] > 0


def _explained(pairs: Sequence[tuple[Record, Record]], stage: int, position: int) -> Explanation:
    ours, theirs = ([record.stages[stage] for record in side] for side in zip(*pairs, strict=True))
    rows = ours[0].test_n[position]
    difference, won, lost = stats.of_class(ours, theirs, position)
    before_CC, after_CC = (confusions.mean([pair[side] for pair in pairs], stage) for side in (1, 0))
    names = ours[0].classes
    taken_for = taken_in = None
    if before_CC is not None and after_CC is not None:
        taken_for = _moved(names, before_CC[position], after_CC[position])
        taken_in = _moved(names, before_CC[:, position], after_CC[:, position])
    return Explanation(
        record=pairs[0][0],
        against=pairs[0][1].strategy,
        seeds=len({record.seed for record, _ in pairs}),
        splits=len({record.split for record, _ in pairs}),
        trained=len(pairs),
        stage=stage,
        position=position,
        top1=_accuracies([r.top1_hits[position] for r in theirs], [r.top1_hits[position] for r in ours], rows),
        top5=_accuracies([r.top5_hits[position] for r in theirs], [r.top5_hits[position] for r in ours], rows),
        difference=difference,
        won=won,
        lost=lost,
        taken_for=taken_for,
        taken_in=taken_in,
    )


def _accuracies(before: Sequence[int], after: Sequence[int], rows: int) -> tuple[float, float]:
    return float(np.mean(before)) / rows, float(np.mean(after)) / rows


def _moved(names: Sequence[str], before_C: np.ndarray, after_C: np.ndarray) -> tuple[Moved, ...]:
    """Return confusions sorted by change, then by frequency; confusions that never occur are left out."""
    order = sorted(range(len(names)), key=lambda c: (-abs(after_C[c] - before_C[c]), -before_C[c], c))
    return tuple(Moved(names[c], float(before_C[c]), float(after_C[c])) for c in order if before_C[c] or after_C[c])
