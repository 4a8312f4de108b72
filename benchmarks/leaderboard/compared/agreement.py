"""`agreement.md`: whether a ranking holds under another recipe or backbone: rank correlations on one data set."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np

from benchmarks.leaderboard.columns import Column, render
from benchmarks.leaderboard.markdown import escape, number, page
from benchmarks.leaderboard.sections import Entry, Section
from benchmarks.leaderboard.ties import kind
from benchmarks.records.kinds import IMAGES
from benchmarks.records.record import Record
from benchmarks.records.stats import NORMAL_QUANTILE

PAGE = Path("agreement.md")
LEAST_STRATEGIES = 6  # with fewer the interval says nothing
_ALIKE = 9  # digits after which two class means are equal


@dataclasses.dataclass(frozen=True)
class Ranking:
    """The strategies that a suite measured with one backbone and that see images alone, by name."""

    suite: str
    backbone: str
    entries: Mapping[str, Entry]

    @property
    def first(self) -> Record:
        """Any record of the ranking."""
        return next(iter(self.entries.values())).records[0]

    @property
    def title(self) -> str:
        """How the table names it, with a link to its page."""
        return f"[{escape(self.suite)}]({quote(self.suite)}/leaderboard.md), {escape(self.backbone)}"

    def class_mean(self, strategy: str, stage: int) -> float:
        """Return the mean over seeds of a stage's class mean, rounded so that equal ones are equal."""
        return round(self.entries[strategy].scores[stage].mean("class-mean"), _ALIKE)


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two rankings of the same classes and test rows, and the strategies that both have."""

    one: Ranking
    other: Ranking
    strategies: tuple[str, ...]

    def correlation(self, stage: int) -> str:
        """Return the rank correlation of the class means of a stage, with its interval."""
        found = spearman(*(self._means(ranking, stage) for ranking in (self.one, self.other)))
        low, high = interval(found, len(self.strategies))
        bounds = "" if math.isnan(low) else f" [{number(low, 2)}, {number(high, 2)}]"
        return f"{number(found, 2)}{bounds}"

    def lost(self) -> float:
        """How far the best of the first ranking is below the best of the second, in its last stage's class mean."""
        ours, theirs = (self._means(ranking, -1) for ranking in (self.one, self.other))
        return float(theirs.max() - theirs[ours == ours.max()].min())

    def _means(self, ranking: Ranking, stage: int) -> np.ndarray:
        return np.array([ranking.class_mean(name, stage) for name in self.strategies])


def spearman(x_n: np.ndarray, y_n: np.ndarray) -> float:
    """Return Spearman's rank correlation, ties with mean ranks; NaN where one side is constant."""
    from scipy.stats import rankdata

    a_n, b_n = (rankdata(values_n) - (len(values_n) + 1) / 2 for values_n in (x_n, y_n))
    size = math.sqrt(float(a_n @ a_n) * float(b_n @ b_n))
    return float(a_n @ b_n) / size if size else math.nan


def interval(correlation: float, n: int) -> tuple[float, float]:
    """Return the interval of a rank correlation over `n` strategies, as if they were drawn from many.

    tanh(atanh r -+ z sqrt((1 + r^2 / 2) / (n - 3))), D. G. Bonett, T. A. Wright, Sample size requirements for
    estimating Pearson, Kendall and Spearman correlations, Psychometrika 65 (2000). NaN for |r| = 1 and n < 4.
    """
    if n < 4 or not abs(correlation) < 1 - 1e-12:
        return math.nan, math.nan
    half = NORMAL_QUANTILE * math.sqrt((1 + correlation**2 / 2) / (n - 3))
    return math.tanh(math.atanh(correlation) - half), math.tanh(math.atanh(correlation) + half)


def columns(stages: Sequence[str]) -> list[Column[Pair]]:
    """Return the columns of a table of rankings with these stages; the last stage comes first."""
    places = list(enumerate(stages))[::-1]
    return [
        Column("ranking", lambda pair: pair.one.title, left=True),
        Column("against", lambda pair: pair.other.title, left=True),
        Column("strategies", lambda pair: len(pair.strategies)),
        *(
            Column[Pair](f"{name}, rank correlation [95 %]", functools.partial(Pair.correlation, stage=stage))
            for stage, name in places
        ),
        Column(f"{stages[-1]}, lost by the best", Pair.lost, number),
    ]


def agreement(made: Mapping[str, Sequence[Section]]) -> str | None:
    """Return the page from the sections of each suite; None where no two rankings share enough strategies."""
    tables: dict[tuple[str, ...], list[Pair]] = {}
    for one, other in _compared(list(_rankings(made))):
        if pair := _pair(one, other):
            tables.setdefault((one.first.setup.dataset, *(s.name for s in one.first.stages)), []).append(pair)
    if not tables:
        return None
    blocks = [
        "# Do rankings hold?",
        f"Suites of one data set, and the backbones of a suite, that share {LEAST_STRATEGIES} or more of the "
        "strategies that see the image alone; a suite with several backbones is compared with others by its first, "
        "the one with the most strategies. Strategies that are right on the same test rows count once. *Rank "
        "correlation*: Spearman's, of the class means over seeds. Its interval takes the strategies for a sample of "
        "many (Bonett and Wright, 2000), and noise in either ranking lowers it. *Lost by the best*: how far the first "
        "ranking's best strategy is below the best of the second, in the second's class mean.",
    ]
    for (data_set, *stages), pairs in sorted(tables.items()):
        blocks += [f"## {escape(data_set)}, {escape(' and '.join(stages))}", render(columns(stages), pairs)]
    return page(blocks)


def _rankings(made: Mapping[str, Sequence[Section]]) -> Iterator[Ranking]:
    """Yield the rankings of default settings, by suite and backbone; strategies of one row share its entry."""
    for suite, sections in sorted(made.items()):
        for section in (one for one in sections if one.first.tuned is None):
            for backbone in sorted({entry.backbone for entry in section.entries}):
                merged = section.only(backbone).merged().entries
                entries = {name: entry for entry in merged for name in entry.names if kind(entry) == IMAGES}
                if len(entries) >= LEAST_STRATEGIES:
                    yield Ranking(suite, backbone, entries)


def _compared(rankings: Sequence[Ranking]) -> Iterator[tuple[Ranking, Ranking]]:
    """Yield what is worth a row: the first rankings of two suites, and a suite's first with each of its others."""
    firsts = {
        suite: min(group, key=lambda ranking: (-len(ranking.entries), ranking.backbone))
        for suite, group in itertools.groupby(rankings, key=lambda ranking: ranking.suite)
    }
    for one, other in itertools.combinations(rankings, 2):
        first = firsts[one.suite]
        if one.suite == other.suite and first in (one, other):
            yield first, other if first is one else one
        elif first is one and firsts[other.suite] is other:
            yield one, other


def _pair(one: Ranking, other: Ranking) -> Pair | None:
    """Return the pair; None where classes or test rows differ, or too few strategies are common."""
    a, b = (
        (ranking.first.setup.dataset, [(stage.name, stage.classes, stage.rows_key) for stage in ranking.first.stages])
        for ranking in (one, other)
    )
    # strategies that share a row in both rankings count once, under the first one's name
    apart = {(id(e), id(other.entries[n])): n for n, e in reversed(list(one.entries.items())) if n in other.entries}
    return Pair(one, other, tuple(apart.values())) if a == b and len(apart) >= LEAST_STRATEGIES else None
