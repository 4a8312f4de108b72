"""Train the cells of one rung after the other until the budget is spent, choosing by validation rows."""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from benchmarks.data.split import head_by_rows
from benchmarks.planning.plan import Cell
from benchmarks.planning.stages import Stage
from benchmarks.progress.reporter import Reporter, Reporters
from benchmarks.records.record import Record
from benchmarks.running.cells import Outcome, stored_records
from benchmarks.running.estimate import look
from benchmarks.running.session import Session, for_seed
from benchmarks.tools.recommend import halving
from benchmarks.tools.recommend.budget import Deadline, TimeIsUp
from benchmarks.tools.recommend.candidates import ALWAYS, PLAIN, SHORT_LIST
from benchmarks.tools.recommend.choice import standings
from benchmarks.tools.recommend.goals import Predicted
from benchmarks.tools.recommend.halving import Rung
from benchmarks.tools.recommend.validation import predictions


class Execute(Protocol):
    """Carries out the cells of a session that have no record, in this process or on Ray."""

    def __call__(self, session: Session, *, wrap: Callable[[Reporter], Reporter]) -> Outcome:
        """Run them, reporting to `wrap(reporter)`, whose exceptions propagate."""


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """The results of a search so far: predictions for validation rows and records, by strategy.

    `failed`: strategies with a cell that failed. `untried`: those without results yet. `whole`: whether the search
    went through its last rung.
    """

    predicted: dict[str, Predicted]
    records: dict[str, list[Record]]
    failed: tuple[str, ...]
    untried: tuple[str, ...]
    whole: bool

    def seconds(self) -> dict[str, float]:
        """Return the training time of one seed of each strategy, seconds."""
        return {name: sum(r.cost.seconds_alone for r in of) / len(of) for name, of in self.records.items()}


class Search:
    """A search among the strategies of a session. Each seed holds out another fold."""

    def __init__(self, session: Session, goal: str, until: float, execute: Execute, keep: float = math.inf) -> None:
        """Train until `until`, on the clock of `time.monotonic`; `keep`: what the pick may cost the head."""
        self._head, self._keep = head_by_rows(session.context.stages[-1].facts.counts_C), keep
        self._session = functools.cache(functools.partial(for_seed, session))
        self._goal, self._until, self._execute = goal, until, execute
        self._strategies = tuple(dict.fromkeys(cell.strategy for cell in session.plan.cells))
        self._asked: dict[int, dict[str, Cell]] = {}  # seed -> strategy -> cell
        self._failed: dict[str, None] = {}
        self._predicted: dict[tuple[str, tuple[int, ...]], Predicted] = {}  # of a strategy's cells of these seeds

    def run(self, told: Callable[[str, Found], None]) -> Found:
        """Return what was found; `told` hears what there is after a few strategies and after the short list."""
        rows = len(self._session(0).context.stages[-1].data.validation_rows)
        seeds = halving.first_seeds(rows)
        short = tuple(name for name in SHORT_LIST if name in self._strategies)
        self._train(Rung(short[:ALWAYS], 1), always=True)
        told("First answer", self.found())
        try:
            self._train(Rung(short, seeds))
            told("With the short list", self.found())
            rung: Rung | None = Rung(self._strategies, seeds)
            while rung:
                self._train(rung)
                rung = halving.after(rung, self._ranked(rung.strategies), PLAIN)
        except TimeIsUp:
            return self.found()
        return self.found(whole=True)

    def plain_alone(self) -> Found:
        """Train plain training alone, three seeds of it."""
        try:
            self._train(Rung((PLAIN,), 1), always=True)
            self._train(Rung((PLAIN,), 3))
        except TimeIsUp:
            pass
        return self.found(whole=True)

    def seeds_of(self, strategies: tuple[str, ...], seeds: int) -> Found:
        """Train one seed of some strategies, then more as long as the estimate says that there is time for another."""
        try:
            for seed in range(seeds):
                if seed and self.seconds(strategies, seed) > self._until - time.monotonic():
                    break
                self._train(Rung(strategies, seed + 1))
        except TimeIsUp:
            pass
        return self.found(whole=True)

    def seconds(self, strategies: Sequence[str], seed: int) -> float:
        """Return how long a seed of some strategies will take, in seconds; inf where their backbone was not timed."""
        session = self._session(seed)
        plan = session.plan.part([cell for cell in session.plan.cells if cell.strategy in strategies])
        minutes = look(plan, session.context, self._stored(session, plan.cells)).minutes
        return math.inf if minutes is None else 60 * minutes

    def all(self) -> Found:
        """Train every strategy with every seed: what a search saves."""
        self._train(Rung(self._strategies, halving.MOST_SEEDS))
        return self.found(whole=True)

    def _train(self, rung: Rung, always: bool = False) -> None:
        """Train a rung's cells, one seed of all strategies after the other. Raises TimeIsUp when the time is up.

        Cells that an earlier run has trained count whatever time is left.
        """
        for seed in range(rung.seeds):
            session = self._session(seed)
            cells = {cell.strategy: cell for cell in session.plan.cells}
            wanted = [cells[name] for name in rung.strategies if name not in self._failed]
            self._asked.setdefault(seed, {}).update({cell.strategy: cell for cell in wanted})
            if len(self._stored(session, wanted)) < len(wanted):
                if not always and time.monotonic() > self._until:
                    raise TimeIsUp
                part = dataclasses.replace(session, plan=session.plan.part(wanted))
                outcome = self._execute(part, wrap=(lambda told: told) if always else self._until_then)
                self._failed.update(dict.fromkeys(cell.strategy for cell in outcome.failed))

    def _until_then(self, told: Reporter) -> Reporter:
        return Reporters(told, Deadline(self._until))

    def _stored(self, session: Session, cells: Sequence[Cell]) -> dict[str, Record]:
        context = session.context
        return stored_records(session.plan.part(cells), context.store.work.parent, context.suite.name)

    def found(self, whole: bool = False) -> Found:
        """Return the available results of all requested cells."""
        done, records = dict[str, list[tuple[Cell, Stage]]](), dict[str, list[Record]]()
        for seed, asked in sorted(self._asked.items()):
            session = self._session(seed)
            stored = self._stored(session, list(asked.values()))
            there = [cell for cell in asked.values() if cell.key in stored and cell.strategy not in self._failed]
            for cell in there:
                done.setdefault(cell.strategy, []).append((cell, session.context.stages[-1]))
                records.setdefault(cell.strategy, []).append(stored[cell.key])
        predicted = {name: one for name, of in done.items() if (one := self._predictions(name, of))}
        records = {name: of for name, of in records.items() if name in predicted}
        untried = tuple(name for name in self._strategies if name not in records and name not in self._failed)
        return Found(predicted, records, tuple(self._failed), untried, whole)

    def _predictions(self, strategy: str, cells: Sequence[tuple[Cell, Stage]]) -> Predicted | None:
        """Return what a strategy's finished cells predicted, read and calibrated once; None without stored outputs."""
        key = strategy, tuple(cell.seed for cell, _ in cells)
        if key not in self._predicted:
            found = predictions(self._session(0).context.store, cells).get(strategy)
            if found is None:
                return None
            self._predicted[key] = found
        return self._predicted[key]

    def _ranked(self, strategies: Sequence[str]) -> list[str]:
        """Rank those of `strategies` that have not failed: those that keep the head first, then by expected score."""
        found = self.found()
        rows = standings(self._goal, found.predicted, found.seconds(), self._head)
        wanted = [row for row in rows if row.strategy in strategies]
        return [row.strategy for row in sorted(wanted, key=lambda row: (row.head < -self._keep, -row.expected))]
