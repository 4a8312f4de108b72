"""`protocols.md`: two stages against one over all classes, on head and tail rows, strategy by strategy."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np

from benchmarks.leaderboard.columns import Column, render
from benchmarks.leaderboard.markdown import escape, number, page
from benchmarks.leaderboard.sections import Entry, Section
from benchmarks.leaderboard.tables import interval
from benchmarks.records import stats
from benchmarks.records.bits import unpack_bits
from benchmarks.records.hits import AMONG_OWN_PART, Part, all_hits, own_hits
from benchmarks.records.kinds import NOTE, marked_name, transductive
from benchmarks.records.multiple import LEVEL, holm
from benchmarks.records.record import Record
from benchmarks.support.keys import content_key

PAGE = Path("protocols.md")
STAGES: tuple[Part, Part] = ("tail", "head")


@dataclasses.dataclass(frozen=True)
class OnPart:
    """Class means on head or tail rows: with two stages; with one, among the part's classes and among all classes.

    `difference`: one stage minus two stages, among the part's classes.
    """

    two_stages: float
    among_own: float
    among_all: float
    difference: stats.Difference


@dataclasses.dataclass(frozen=True)
class Row:
    """A strategy under both protocols; `real`: by part, whether the difference stands after Holm's correction."""

    backbone: str
    strategy: str
    by_part: Mapping[Part, OnPart]
    real: Mapping[Part, bool] = dataclasses.field(default_factory=dict)


NAMES: tuple[Column[Row], ...] = (
    Column("backbone", lambda row: row.backbone, escape, left=True),
    Column("strategy", lambda row: marked_name(row.strategy), escape, left=True),
)


def columns(part: Part) -> list[Column[Row]]:
    """Return the columns of head or tail."""
    return [
        Column(f"{part}: two stages", lambda row: row.by_part[part].two_stages, number, best="highest"),
        Column(f"{part}: one stage", lambda row: row.by_part[part].among_own, number, best="highest"),
        Column("minus two stages", lambda row: interval(row.by_part[part].difference, row.real[part])),
        Column("one stage, among all classes", lambda row: row.by_part[part].among_all, number, best="highest"),
    ]


def protocols(made: Mapping[str, Sequence[Section]]) -> str | None:
    """Return the page from the sections of each suite; None if no two suites differ only in the protocol."""
    blocks = []
    for (suite, two), (other, one) in _twins(made):
        if rows := _marked(list(_rows(two, one))):
            links = (f"[{escape(name)}]({quote(name)}/leaderboard.md)" for name in (suite, other))
            several = len({row.backbone for row in rows}) > 1
            shown = [*NAMES[not several :], *(column for part in STAGES for column in columns(part))]
            blocks += [f"## {' and '.join(links)}", render(shown, rows)]
            blocks += [NOTE] if any(transductive(row.strategy) for row in rows) else []
    if not blocks:
        return None
    return page(
        [
            "# Two stages or one?",
            "Class means on the test rows of head and tail, over the seeds that both have. Two stages train a "
            "classifier for each and never score head against tail. *One stage*: the classifier over all classes, of "
            "which only those of the row's own part compete; *among all classes*: all compete, as they do in use. "
            "*Minus two stages*: row by row and seed by seed, with its 95 % interval; ▲ and ▼ are Holm-corrected for "
            "the column.",
            *blocks,
        ]
    )


def _twins(made: Mapping[str, Sequence[Section]]) -> Iterator[tuple[tuple[str, Section], tuple[str, Section]]]:
    """Yield a two-stage section and a joint one, each with its suite, that agree in everything else.

    A joint suite called `NAME-joint` is paired only with `NAME`, if that suite was measured.
    """
    joint: dict[str, tuple[str, Section]] = {}
    for protocol in ("joint", "two-stage"):
        for suite, found in sorted(made.items()):
            for section in found:
                if section.first.setup.protocol != protocol or section.first.tuned is not None:
                    continue
                key = _conditions(section.first)
                if protocol == "joint":
                    joint.setdefault(key, (suite, section))
                elif key in joint and (_own(joint[key][0]) == suite or _own(joint[key][0]) not in made):
                    yield (suite, section), joint[key]


def _own(joint: str) -> str:
    """Return `NAME` for the joint suite `NAME-joint`; empty for any other name."""
    return joint.removesuffix("-joint") if joint.endswith("-joint") else ""


def _conditions(record: Record) -> str:
    """Return the key of what must be equal; ImageNet weights count as equal, because each backbone has its own."""
    setup = record.setup
    recipe = {**setup.recipe, "weights": "imagenet" if setup.imagenet else setup.recipe.get("weights")}
    classes = [[*pair] for stage in record.stages for pair in zip(stage.classes, stage.test_n, strict=True)]
    return content_key([setup.dataset, setup.fingerprint, setup.image_size, recipe, classes])


def _rows(two: Section, one: Section) -> Iterator[Row]:
    """Yield the strategies that were measured under both protocols, in the order of the two-stage ranking."""
    joint = {entry.key: entry for entry in one.entries}
    for entry in two.entries:
        found = joint.get(entry.key)
        both = [(part, _on_part(entry, found, part)) for part in STAGES] if found else []
        kept = {part: on_part for part, on_part in both if on_part is not None}
        if len(kept) == len(STAGES):
            yield Row(entry.backbone, entry.strategy, kept)


def _on_part(two: Entry, one: Entry, part: Part) -> OnPart | None:
    """Return both results on a part's rows over their common seeds; None if joint records do not have them."""
    joint = {(record.seed, record.split): record for record in one.records if AMONG_OWN_PART in record.extra}
    common = [(record, joint[key]) for record in two.records if (key := (record.seed, record.split)) in joint]
    stages = [next(stage for stage in record.stages if stage.name == part) for record, _ in common]
    sizes = [n for n in stages[0].test_n if n] if stages else []
    if not sizes:
        return None
    two_stages_SN = np.stack([unpack_bits(stage.top1_bits, stage.rows) for stage in stages]).astype(np.int8)
    own_SN, all_SN = (
        np.stack([of(record, part) for _, record in common]).astype(np.int8) for of in (own_hits, all_hits)
    )
    two_stages, among_own, among_all = (_class_mean(hits_SN, sizes) for hits_SN in (two_stages_SN, own_SN, all_SN))
    return OnPart(two_stages, among_own, among_all, stats.compare(own_SN - two_stages_SN, sizes))


def _class_mean(hits_SN: np.ndarray, sizes: Sequence[int]) -> float:
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return statistics.fmean((np.add.reduceat(hits_SN.sum(axis=0), starts) / sizes / len(hits_SN)).tolist())


def _marked(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with `real` set, Holm-corrected within each part."""
    corrected = {part: holm([row.by_part[part].difference.p for row in rows]) <= LEVEL for part in STAGES}
    return [
        dataclasses.replace(row, real={part: bool(corrected[part][k]) for part in STAGES}) for k, row in enumerate(rows)
    ]
