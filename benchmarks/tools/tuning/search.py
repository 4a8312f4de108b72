"""Turn a session into one that trains all trials, and choose from their records; test rows are never used."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from benchmarks.planning.plan import Cell, Job, Plan, make_plan
from benchmarks.progress.events import CellDone, Event, RunStarted
from benchmarks.progress.reporter import Reporter
from benchmarks.records import storage
from benchmarks.records.ranking import stage_means
from benchmarks.records.record import Record, RecordError
from benchmarks.running.cells import file_of
from benchmarks.running.session import MOST_CELLS, Session
from benchmarks.suites.suite import Suite
from benchmarks.support.errors import UserError
from benchmarks.tools.tuning.on_validation import on_validation
from benchmarks.tools.tuning.points import Trial, trials_of


@dataclasses.dataclass(frozen=True)
class Tried:
    """A trial of a search: its class mean on validation by stage, mean over the trial seeds; empty if it failed.

    `keys`: those of its cells. `error`: why it failed.
    """

    trial: Trial
    stages: Mapping[str, float]
    keys: tuple[str, ...]
    error: str = ""

    @property
    def score(self) -> float:
        """The mean over stages, by which trials are compared: one setting serves all stages."""
        return fmean(self.stages.values())


@dataclasses.dataclass(frozen=True)
class Search:
    """All trials of a strategy, `of` as it was asked for, on a backbone; the first one is the default."""

    backbone: str
    of: str
    tried: tuple[Tried, ...]

    @property
    def chosen(self) -> Tried | None:
        """The trial with the highest score, the earlier one of equals; None if all failed."""
        done = [one for one in self.tried if one.stages]
        return max(done, key=lambda one: one.score, default=None)


def folder(session: Session) -> Path:
    """Return where records of trials are kept, apart from those that leaderboards read."""
    return session.context.store.work / "trials"


def with_trials(session: Session, count: int, seeds: int) -> tuple[Session, dict[str, tuple[Trial, ...]]]:
    """Return a session that trains `count` trials of each strategy of the plan, and the trials by strategy.

    Raises UserError if a stage has no validation row, or for more cells than a plan is made for.
    """
    for stage in session.context.stages:
        if not len(stage.data.validation_rows):
            raise UserError(
                f"tune chooses on validation rows, and the stage {stage.data.name} has none; give more data."
            )
    backbones, strategies = (
        list(dict.fromkeys(getattr(cell, name) for cell in session.plan.cells)) for name in ("backbone", "strategy")
    )
    cells = len(backbones) * len(strategies) * count * seeds
    if cells > MOST_CELLS:
        raise UserError(f"{cells:,} cells would be tried; a plan has at most {MOST_CELLS:,}: ask for fewer trials.")
    trials = {text: trials_of(session.context.suite, text, count) for text in strategies}
    asked = [
        (trial, backbone) for number in range(count) for one in trials.values() for trial in one[number : number + 1]
        for backbone in backbones
    ]  # fmt: skip
    return with_cells(session, asked, seeds), trials


def with_cells(session: Session, asked: Sequence[tuple[Trial, str]], seeds: int) -> Session:
    """Return a session with the cells of trials on backbones, for so many seeds; those of equal recipes share jobs."""
    suites = {trial.suite.name: trial.suite for trial, _ in asked}
    jobs: dict[str, Job] = {}
    cells: list[Cell] = []
    for name, suite in suites.items():
        wanted = {(backbone, trial.strategy) for trial, backbone in asked if trial.suite.name == name}
        own = name == session.context.suite.name
        whole = _plan(session, suite, wanted, seeds)
        plan = whole.part([cell for cell in whole.cells if (cell.backbone, cell.strategy) in wanted])
        jobs |= {key: job if own else dataclasses.replace(job, variant=name) for key, job in plan.jobs.items()}
        cells += [cell if own else dataclasses.replace(cell, variant=name) for cell in plan.cells]
    context = dataclasses.replace(session.context, variants=suites)
    return dataclasses.replace(session, plan=Plan(jobs, tuple(cells)), context=context)


def _plan(session: Session, suite: Suite, wanted: Collection[tuple[str, str]], seeds: int) -> Plan:
    """Return the plan of a suite for all these backbones and all these strategies."""
    backbones, strategies = (list(dict.fromkeys(pair[i] for pair in sorted(wanted))) for i in (0, 1))
    return make_plan(dataclasses.replace(session.setting, suite=suite), backbones, strategies, range(seeds))


def searches(session: Session, trials: Mapping[str, Sequence[Trial]]) -> list[Search]:
    """Return the search of each strategy on each backbone, from the records of trials that the session has run."""
    backbones = dict.fromkeys(cell.backbone for cell in session.plan.cells)
    return [
        Search(backbone, of, tuple(_tried(session, backbone, trial) for trial in own))
        for backbone in backbones
        for of, own in trials.items()
    ]


def _tried(session: Session, backbone: str, trial: Trial) -> Tried:
    records = records_of(session, backbone, trial)
    keys = tuple(cell.key for cell in _cells(session, backbone, trial))
    failed = [record.error for record in records if record.error is not None]
    if failed or len(records) < len(keys):
        return Tried(trial, {}, keys, next(iter(failed), "it has no record"))
    means = [stage_means(on_validation(record)) for record in records]
    return Tried(trial, {name: fmean(one[name][1] for one in means) for name in means[0]}, keys)


def records_of(session: Session, backbone: str, trial: Trial) -> list[Record]:
    """Return the records of a trial's cells on a backbone, done or failed, by seed, as far as they are there."""
    found = []
    for cell in _cells(session, backbone, trial):
        with contextlib.suppress(RecordError):
            record = storage.read(file_of(cell, folder(session), trial.suite.name))
            found += [record] if record.key == cell.key else []
    return found


def _cells(session: Session, backbone: str, trial: Trial) -> list[Cell]:
    variant = "" if trial.suite.name == session.context.suite.name else trial.suite.name
    wanted = (backbone, trial.strategy, variant)
    return [cell for cell in session.plan.cells if (cell.backbone, cell.strategy, cell.variant) == wanted]


class OnValidation:
    """A reporter that forwards events to another, with validation results in place of test results."""

    def __init__(self, reporter: Reporter) -> None:
        """Tell `reporter`."""
        self._reporter = reporter

    def tell(self, event: Event) -> None:
        """Pass the event on."""
        if isinstance(event, CellDone):
            event = dataclasses.replace(event, record=on_validation(event.record))
        elif isinstance(event, RunStarted):
            event = RunStarted(event.plan, {key: on_validation(record) for key, record in event.stored.items()})
        self._reporter.tell(event)
