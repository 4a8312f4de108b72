"""From backbones, strategies and seeds to cells, and to the jobs that they share.

A job's key is the hash of everything that can change the weights at its end: data, recipe, backbone, seed, the state it
starts from, and the history of its stage, a list of segments in which the same hooks act. Adjacent segments that
act in the same way are merged, so plain training has the same key at the stage's end whether or not it is cut at epoch
8, and cells whose histories begin the same way share jobs.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence

from backbones.registry import identity
from benchmarks.planning.history import Segment, handed_on, history_of, states
from benchmarks.planning.stages import Stage
from benchmarks.suites.suite import HOW_ONLY, Suite
from benchmarks.support.keys import content_key
from strategies.base import Strategy
from strategies.combining.expression import parse

NAMES = "names"  # the backbone of jobs that see no image
LACKS = {
    "validation": "has no validation rows",
    "text": "has no names of its rows",
    "pixels": "trains on stored features, not on images (--trains all does)",
}
PARTS = {"transformer": "no transformer blocks", "batch-norm": "no batch normalisation"}  # need -> words if missing
Borders = dict[int, set[str]]  # keys of states by the epoch that they are reached at


@dataclasses.dataclass(frozen=True)
class Job:
    """One part of a stage that is trained in one go and shared by all cells whose histories begin with it.

    `segment`: its epochs of the stage, how they train and what acts. `parent`: the job it starts from, of the same
    stage where it `continues` one, else of the stage before. `ends_stage`: some cell is scored on its predictions.
    `variant`: the name of the suite whose recipe it has, "" for that of the run.
    """

    key: str
    backbone: str
    stage: int
    seed: int
    segment: Segment
    parent: str | None = None
    continues: bool = False
    ends_stage: bool = False
    variant: str = ""

    @property
    def strategy(self) -> str:
        """The expression whose hooks act, "none" for plain training."""
        return self.segment.strategy

    @property
    def start(self) -> int:
        """The first epoch of the stage that it trains, from 0."""
        return self.segment.phase.start

    @property
    def end(self) -> int:
        """The epoch of the stage before which it ends."""
        return self.segment.phase.end

    @property
    def epochs(self) -> int:
        """Epochs that this job trains."""
        return self.end - self.start


@dataclasses.dataclass(frozen=True)
class Cell:
    """Backbone x strategy x seed: `jobs` holds per stage the keys of its chain; `key` also covers its scoring.

    `companions`: the same for each other model that the strategy's `predict` uses. `split`: the suite's. `variant`: as
    for `Job`.
    """

    backbone: str
    strategy: str
    seed: int
    jobs: tuple[tuple[str, ...], ...]
    key: str
    companions: tuple[tuple[tuple[str, ...], ...], ...] = ()
    split: int = 0
    variant: str = ""

    @property
    def needed(self) -> tuple[str, ...]:
        """The keys of all its jobs, companions' too, parents before children."""
        return tuple(key for chains in (self.jobs, *self.companions) for chain in chains for key in chain)

    @property
    def name(self) -> str:
        """The cell's name for people."""
        more = f", split {self.split}" if self.split else ""
        more += f" | {self.variant}" if self.variant else ""
        return f"{self.backbone} | {self.strategy} | seed {self.seed}{more}"


@dataclasses.dataclass(frozen=True)
class Plan:
    """Jobs by key, parents before children, and the cells they serve; `left_out` says why a strategy is not run."""

    jobs: Mapping[str, Job]
    cells: tuple[Cell, ...]
    left_out: tuple[str, ...] = ()

    def part(self, cells: Sequence[Cell]) -> Plan:
        """Return the plan of some of its cells, with the jobs that these need."""
        needed = {key for cell in cells for key in cell.needed}
        return Plan({key: job for key, job in self.jobs.items() if key in needed}, tuple(cells), self.left_out)

    def epochs_asked(self) -> int:
        """Epochs that would be trained if cells shared no jobs."""
        return sum(self.jobs[key].epochs for cell in self.cells for key in cell.needed)

    def epochs_executed(self) -> int:
        """Epochs that are trained: each job once."""
        return sum(job.epochs for job in self.jobs.values())

    @functools.cached_property
    def children(self) -> Mapping[str, Sequence[str]]:
        """The keys of the jobs that start from each job, in order; jobs from which none starts are left out."""
        found: dict[str, list[str]] = {}
        for key, job in self.jobs.items():
            if job.parent:
                found.setdefault(job.parent, []).append(key)
        return found

    @functools.cached_property
    def first_user(self) -> Mapping[str, Cell]:
        """For each job the first cell that uses it, whose marginal time includes the job's."""
        first: dict[str, Cell] = {}
        for cell in self.cells:
            for key in cell.needed:
                first.setdefault(key, cell)
        return first


@dataclasses.dataclass(frozen=True)
class Setting:
    """What all jobs of a run share, and their keys must cover."""

    fingerprint: str
    suite: Suite
    stages: tuple[Stage, ...]
    precision: Mapping[str, Mapping[str, str]]  # backbone -> layout and dtype
    weights: Mapping[str, str]  # backbone -> sha256 of its first weights; backbones with random ones are left out
    text: bool = False  # whether the rows have names
    device: str = "cpu"  # the family, "cpu" or "cuda": each rounds and sums in its own way
    parts: Mapping[str, frozenset[str]] = dataclasses.field(default_factory=dict)  # backbone -> those of `PARTS` it has

    @property
    def frozen(self) -> bool:
        """Whether the classifier alone is trained, on stored features."""
        return self.suite.recipe.frozen

    def hands_on(self, strategy: Strategy) -> bool:
        """Whether the next stage starts from what this one trained; a frozen backbone is the same in all stages."""
        return not self.frozen or strategy.text() is not None

    def lacks(self, strategy: Strategy) -> list[str]:
        """Return, in words, what the suite lacks that a strategy needs: "has no names of its rows"."""
        validation = all(len(stage.data.validation_rows) for stage in self.stages)
        offered = {"validation": validation, "text": self.text, "pixels": not self.frozen}
        has = {name for name, there in offered.items() if there}
        return [LACKS.get(name, f"has no {name}") for name in sorted(strategy.needs - has - PARTS.keys())]

    def lacks_in(self, strategy: Strategy, backbone: str) -> list[str]:
        """Return, in words, the network parts that a strategy needs and this backbone lacks."""
        return [PARTS[name] for name in sorted(strategy.needs & PARTS.keys() - self.parts.get(backbone, frozenset()))]


def make_plan(setting: Setting, backbones: Sequence[str], strategies: Sequence[str], seeds: Iterable[int]) -> Plan:
    """Return the jobs and cells of the cross product, seeds outermost, so that each strategy has results early.

    `strategies` are expressions. One that needs something that the data lacks is left out, one that needs something
    that a backbone lacks is left out on that backbone, with a line in `left_out`.
    """
    parsed, left_out = _usable([(text, parse(text)) for text in strategies], setting)
    fits = {name: [(text, one) for text, one in parsed if not setting.lacks_in(one, name)] for name in backbones}
    left_out += tuple(
        f"{text} is left out on {name}: it has {' and '.join(lacks)}."
        for name in backbones
        for text, one in parsed
        if (lacks := setting.lacks_in(one, name))
    )
    jobs: dict[str, Job] = {}
    cells = []
    for seed in seeds:
        for backbone in backbones:
            every = [s for _, strategy in fits[backbone] for s in (strategy, *map(parse, strategy.companions()))]
            borders = _borders(setting, backbone, seed, every)
            for text, strategy in fits[backbone]:
                chains, *companions = (
                    _chains(setting, backbone, seed, trained, borders, jobs)
                    for trained in (strategy, *map(parse, strategy.companions()))
                )
                content = {"jobs": [c[-1] for c in chains], "strategy": strategy.identity(), "schema": 1}
                if companions:
                    content["companions"] = [[c[-1] for c in companion] for companion in companions]
                key, split = content_key(content), setting.suite.split
                cells.append(Cell(backbone, text, seed, chains, key, tuple(companions), split))
    return Plan(jobs, tuple(cells), left_out)


def _usable(parsed: list[tuple[str, Strategy]], setting: Setting) -> tuple[list[tuple[str, Strategy]], tuple[str, ...]]:
    """Return the strategies that can run on the data, and a line about each of the others."""
    kept, left_out = [], []
    for text, strategy in parsed:
        missing = setting.lacks(strategy)
        if missing:
            left_out.append(f"{text} is left out: {setting.suite.name} {' and '.join(missing)}.")
        else:
            kept.append((str(strategy), strategy))
    return kept, tuple(left_out)


def _encoder(strategy: Strategy, backbone: str) -> str:
    """Return the backbone of the strategy's jobs: the cell's, or `NAMES` if they see no image."""
    text = strategy.text()
    return NAMES if text and not text.images else backbone


def _state_key(
    setting: Setting, backbone: str, seed: int, stage: Stage, start: str | None, history: Sequence[Segment]
) -> str:
    """Return the key of the state after `history` of a stage that started from the state `start`."""
    suite, alone = setting.suite, backbone == NAMES
    drawn: list[object] = [suite.split] if suite.split else []
    drawn += [f"{suite.folds} folds"] if suite.folds else []
    return content_key(
        {
            "data": setting.fingerprint,
            "split": [suite.protocol, suite.head_classes, suite.validation, stage.data.name, *drawn],
            "backbone": backbone if alone else identity(backbone),
            "weights": setting.weights.get(backbone, "none"),
            "device": setting.device,
            "precision": {} if alone else dict(setting.precision[backbone]),
            "recipe": suite.recipe.model_dump(mode="json", exclude={"epochs", "precision", "weights", *HOW_ONLY}),
            "epochs": suite.recipe.stage_epochs(stage.data.name),
            "seed": seed,
            "start": start,
            "history": [segment.content() for segment in history],
        }
    )


def _borders(setting: Setting, backbone: str, seed: int, strategies: Sequence[Strategy]) -> Borders:
    """Return all states where a strategy's segment ends: jobs are cut there so that they can be shared."""
    borders: Borders = {}
    for strategy in strategies:
        encoder = _encoder(strategy, backbone)
        start: str | None = None
        for stage in setting.stages:
            history = history_of(stage, setting.suite.recipe.stage_epochs(stage.data.name), strategy)
            keys = [
                _state_key(setting, encoder, seed, stage, start, history[: index + 1]) for index in range(len(history))
            ]
            for segment, key in zip(history, keys, strict=True):
                borders.setdefault(segment.phase.end, set()).add(key)
            start = keys[handed_on(history) - 1] if setting.hands_on(strategy) else None
    return borders


def _chains(
    setting: Setting, backbone: str, seed: int, strategy: Strategy, borders: Borders, jobs: dict[str, Job]
) -> tuple[tuple[str, ...], ...]:
    """Add the strategy's jobs to `jobs`; return their keys per stage, in order."""
    backbone = _encoder(strategy, backbone)
    chains: list[tuple[str, ...]] = []
    parent: str | None = None
    representation: str | None = None
    for stage in setting.stages:
        start, begun = parent, 0
        chain: list[str] = []
        whole = history_of(stage, setting.suite.recipe.stage_epochs(stage.data.name), strategy)
        handed = handed_on(whole)
        for segment, at, history in states(whole):
            if at not in borders:  # as for most epochs, whose keys are not needed
                continue
            key = _state_key(setting, backbone, seed, stage, start, history)
            if key not in borders[at]:
                continue
            job = Job(key, backbone, stage.data.stage, seed, segment.cut(begun, at), parent, continues=bool(chain))
            jobs.setdefault(key, job)
            chain.append(key)
            parent, begun = key, at
            if len(history) == handed:
                representation = key
        parent = representation if setting.hands_on(strategy) else None
        jobs[chain[-1]] = dataclasses.replace(jobs[chain[-1]], ends_stage=True)
        chains.append(tuple(chain))
    return tuple(chains)
