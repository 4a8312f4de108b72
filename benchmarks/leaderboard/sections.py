"""Records -> sections -> entries; a section holds only what was measured under the same conditions."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from statistics import fmean

import numpy as np

from benchmarks.records import metrics, stats
from benchmarks.records.kinds import kind_of, marked_name, transductive
from benchmarks.records.record import Record
from benchmarks.support.keys import content_key

BASELINE = "none"


@dataclasses.dataclass(frozen=True)
class StageScores:
    """What an entry reached in one stage: the metrics' values by name.

    `top1`, `top5`: per seed, from the top-1 and the top-5 hits; `pooled`: from the top-1 hits of all seeds together.
    `worst_class`: position of the class with the lowest pooled accuracy, -1 without test rows.
    """

    top1: tuple[dict[str, float], ...]
    top5: tuple[dict[str, float], ...]
    pooled: dict[str, float]
    worst_class: int

    def mean(self, metric: str, top: int = 1) -> float:
        """Return the mean over seeds of a metric."""
        return fmean(values[metric] for values in (self.top1 if top == 1 else self.top5))

    def deviation(self, metric: str) -> float:
        """Return the standard deviation over seeds of a metric of the top-1 hits, NaN for one seed."""
        values = [of_seed[metric] for of_seed in self.top1]
        return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


@dataclasses.dataclass(frozen=True)
class Entry:
    """A backbone with a strategy: its finished records, one per split and seed in order, its scores, one per stage.

    `others`: strategies merged into this entry, because they have the same hits on every test row in every seed.
    """

    backbone: str
    strategy: str
    records: tuple[Record, ...]
    scores: tuple[StageScores, ...]
    others: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """Identifies the entry within its section."""
        return self.backbone, self.strategy

    @property
    def names(self) -> tuple[str, ...]:
        """All its strategies."""
        return (self.strategy, *self.others)

    @property
    def title(self) -> str:
        """How tables name it: "balanced-softmax = logit-adjust", with a mark for transductive ones (`kinds.py`)."""
        return " = ".join(map(marked_name, self.names))

    @property
    def seeds(self) -> int:
        """The number of seeds."""
        return len({record.seed for record in self.records})

    def mean(self, metric: str, stage: int) -> float:
        """Return the mean over seeds of a metric that does not come from hits; NaN if a record does not have it."""
        return fmean(metrics.value(record, stage, metric) for record in self.records)


@dataclasses.dataclass(frozen=True)
class Section:
    """The entries that may be compared: same data, protocol, image size, recipe, first weights, classes and test rows.

    Ranked by the class mean of the last stage (the tail, or all classes), then by its top-1 accuracy.
    """

    entries: tuple[Entry, ...]

    @property
    def first(self) -> Record:
        """Any record of the section; they agree in what describes it."""
        return self.entries[0].records[0]

    @property
    def splits(self) -> int:
        """The number of splits of the data."""
        return len({record.split for entry in self.entries for record in entry.records})

    def only(self, backbone: str) -> Section:
        """Return the entries of one backbone."""
        return Section(tuple(entry for entry in self.entries if entry.backbone == backbone))

    @property
    def transductive(self) -> bool:
        """Whether a strategy of the section is transductive, so that its tables need the note on that mark."""
        return any(transductive(name) for entry in self.entries for name in entry.names)

    def merged(self) -> Section:
        """Return the section with entries of one kind merged that have the same hits on all test rows in every seed."""
        alike: dict[object, list[Entry]] = {}
        for entry in self.entries:
            answers = tuple((r.split, r.seed, *((s.top1_bits, s.top5_bits) for s in r.stages)) for r in entry.records)
            alike.setdefault((entry.backbone, kind_of(entry.strategy), answers), []).append(entry)
        found = []
        for group in alike.values():
            first, *others = sorted(group, key=lambda e: (e.strategy != BASELINE, len(e.strategy), e.strategy))
            found.append(dataclasses.replace(first, others=tuple(other.strategy for other in others)))
        return Section(tuple(found))

    def comparable(self, entry: Entry, other: str = BASELINE) -> list[tuple[Record, Record]]:
        """Return (the entry's record, that of `other` on the same backbone) for each split and seed that both have."""
        found = (e for e in self.entries if e.backbone == entry.backbone and other in e.names and e is not entry)
        return pairs(entry.records, [record for e in found for record in e.records])

    def differences(self, entry: Entry, stage: int) -> tuple[stats.Difference, stats.Difference] | None:
        """Return the entry minus plain training in a stage: overall, class mean; None if unknown."""
        found = self.comparable(entry)
        if not found or not self.first.stages[stage].rows:
            return None
        return stats.differences([a.stages[stage] for a, _ in found], [b.stages[stage] for _, b in found])


def pairs(ours: Sequence[Record], theirs: Sequence[Record]) -> list[tuple[Record, Record]]:
    """Return the records of the same split and seed on the same test rows, those of `ours` first."""
    found = {_rows(record): record for record in theirs}
    return [(record, found[_rows(record)]) for record in ours if _rows(record) in found]


def _rows(record: Record) -> tuple[int, int, str]:
    return record.seed, record.split, _test_rows(record)


def _test_rows(record: Record) -> str:
    return " ".join(stage.rows_key for stage in record.stages)


def sections(records: Sequence[Record]) -> list[Section]:
    """Group the finished records; failed ones are left out. In a fixed order, the same for any order of records."""
    done = [record for record in records if record.status == "done"]
    imagenet: dict[str, set[str]] = {}
    for record in done:
        if record.setup.imagenet:
            imagenet.setdefault(record.backbone, set()).add(str(record.setup.recipe["weights"].get("sha256")))
    keyed = [(r, _conditions(r, sorted(imagenet.get(r.backbone, ()))), _test_rows(r)) for r in done]
    own: dict[tuple[str, ...], str] = {}  # test rows of the data's own split, with which drawn ones share a section
    for record, conditions, rows in keyed:
        if not record.split:
            own[conditions] = min(rows, own.get(conditions, rows))
    groups: dict[tuple[str, ...], list[Record]] = {}
    for record, conditions, rows in keyed:
        groups.setdefault((*conditions, own.get(conditions, "") if record.split else rows), []).append(record)
    return [Section(_ranked(groups[key])) for key in sorted(groups)]


def _conditions(record: Record, imagenet: Sequence[str]) -> tuple[str, ...]:
    """Return what has to be equal for two records of one table.

    `imagenet`: the hashes of all ImageNet weights that the records of this backbone started from. Backbones may
    each have their own file in one table; a backbone with several files gets a table for each. Tuned settings share a
    table if they had the same numbers of trials and seeds.
    """
    setup, recipe = record.setup, record.shared_recipe
    if record.setup.imagenet and str(recipe["weights"].get("sha256")) == imagenet[0]:
        recipe["weights"] = "imagenet"
    elif isinstance(recipe.get("weights"), dict):
        recipe["weights"] = recipe["weights"].get("sha256")  # a file's content identifies it, its name does not
    classes = content_key([[s.name, s.classes, s.train_n, s.test_n] for s in record.stages])
    size, schema = f"{setup.image_size:06d}", str(record.extra.get("measured_schema", record.schema))
    tuned = "" if record.tuned is None else "-".join(f"{record.tuned[name]:06d}" for name in ("trials", "seeds"))
    return setup.dataset, setup.protocol, size, setup.fingerprint, tuned, content_key(recipe), classes, schema


def _ranked(records: Sequence[Record]) -> tuple[Entry, ...]:
    """Group the seeds of each backbone and strategy, and rank the groups."""
    cells: dict[tuple[str, str], list[Record]] = {}
    for record in sorted(records, key=lambda r: (r.backbone, r.strategy, r.split, r.seed)):
        cells.setdefault((record.backbone, record.strategy), []).append(record)
    entries = [Entry(*names, tuple(seeds), _scores(seeds)) for names, seeds in cells.items()]

    def rank(entry: Entry) -> tuple[float | str, ...]:
        """The last stage's class mean, then overall, highest first and none last; then the names."""
        last = entry.scores[-1]
        keys = (last.mean("class-mean"), last.mean("overall"))
        return (*(-round(np.nan_to_num(k, nan=-1.0), 9) for k in keys), entry.backbone, entry.strategy)

    return tuple(sorted(entries, key=rank))


def _scores(seeds: Sequence[Record]) -> tuple[StageScores, ...]:
    """Summarise each stage over the records of its seeds."""
    found = []
    for results in zip(*(record.stages for record in seeds), strict=True):
        test_C, train_C = np.array(results[0].test_n), np.array(results[0].train_n)
        top1_SC, top5_SC = (np.array([getattr(r, name) for r in results]) for name in ("top1_hits", "top5_hits"))
        found.append(
            StageScores(
                tuple(metrics.from_hits(hits_C, test_C, train_C) for hits_C in top1_SC),
                tuple(metrics.from_hits(hits_C, test_C, train_C) for hits_C in top5_SC),
                metrics.from_hits(top1_SC.sum(axis=0), test_C * len(results), train_C),
                metrics.worst_class(top1_SC.sum(axis=0), test_C),
            )
        )
    return tuple(found)
