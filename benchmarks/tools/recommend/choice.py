"""Pick by validation rows: among the strategies that keep the head and tie with the best on the goal, the simplest
whose expected score (see `expected.py`) ties with the highest."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from benchmarks.records.multiple import LEVEL, tie_groups
from benchmarks.records.stats import NORMAL_QUANTILE, Difference
from benchmarks.tools.recommend import earlier, goals
from benchmarks.tools.recommend.candidates import PLAIN, complexity
from benchmarks.tools.recommend.expected import expected
from benchmarks.tools.recommend.goals import Predicted

GENTLE = 0.01  # of the head's class mean: a larger loss is pointed out to the user
TIE = 0.0025  # of expected scores, which are shrunk: a smaller gain does not justify a more complicated strategy


@dataclasses.dataclass(frozen=True)
class Standing:
    """A strategy's results on validation rows: the `goal`, its `gain` over plain training, the gain of the `head`.

    `seeds`: how many were trained. `graded`: see `goals.graded`. `seconds`: training time of one. `expected`: score
    shrunk toward earlier results. `group`: tie group, 1 holds the best.
    """

    strategy: str
    seeds: int
    goal: float
    graded: float
    gain: Difference
    head: float
    seconds: float
    expected: float = math.nan
    group: int = 0

    @property
    def score(self) -> float:
        """The mean of the goal and of graded accuracy, which varies less but rewards well-calibrated probabilities."""
        return (self.goal + self.graded) / 2

    @property
    def simplicity(self) -> tuple[int, float]:
        """A sorting key: the simplest first, then the cheapest."""
        return complexity(self.strategy), self.seconds


@dataclasses.dataclass(frozen=True)
class Choice:
    """The `pick`, all strategies that were tried, best first, and those that cost the head too much.

    `rivals`: of the last rung's strategies that keep the head, those that tie with the best; the pick is one of them.
    `gentle`: the pick if the head may lose at most `GENTLE`; None if the pick costs it no more.
    """

    pick: Standing
    ranked: tuple[Standing, ...]
    rivals: tuple[Standing, ...]
    too_costly: tuple[str, ...] = ()
    gentle: Standing | None = None

    @property
    def top(self) -> tuple[Standing, ...]:
        """The strategies that tie with the best; only those that keep the head, if better ones do not."""
        return self.rivals if self.too_costly else tuple(one for one in self.ranked if one.group == 1)

    @property
    def plain(self) -> Standing:
        """Plain training."""
        return next(one for one in self.ranked if one.strategy == PLAIN)

    @property
    def beats_plain(self) -> bool:
        """Whether the pick's gain over plain training is beyond chance."""
        return self.pick.gain.p <= LEVEL


def standings(goal: str, found: Mapping[str, Predicted], seconds: Mapping[str, float], head: int) -> list[Standing]:
    """Return the strategies, best gain over plain training first; paired over the seeds that both have.

    `found` has what each predicted for validation rows; classes below `head` are the head.
    """
    plain = found[PLAIN]
    level = goals.value(goal, plain)
    has_head = bool((plain.labels_N < head).any())
    rows = []
    for strategy, predicted in found.items():
        gain = goals.paired(goal, predicted, plain)
        kept = goals.paired("class-mean", predicted, plain, head).value if has_head else 0.0
        graded, trained = goals.graded(goal, predicted), len(predicted.by_seed)
        rows.append(Standing(strategy, trained, level + gain.value, graded, gain, kept, seconds[strategy]))
    return sorted(_with_expected(goal, rows), key=lambda row: (-round(row.goal, 9), row.simplicity, row.strategy))


def _with_expected(goal: str, rows: Sequence[Standing]) -> list[Standing]:
    """Return the rows with the expected score of each."""
    level = next(row.score for row in rows if row.strategy == PLAIN)
    gains = {row.strategy: row.score - level for row in rows}
    errors = {row.strategy: (row.gain.high - row.gain.low) / 2 / NORMAL_QUANTILE for row in rows}
    drawn = expected(gains, errors, earlier.gains(goal))
    return [dataclasses.replace(row, expected=level + drawn[row.strategy]) for row in rows]


def highest(rivals: Sequence[Standing]) -> Standing:
    """Return the one with the highest expected score, the first of equals."""
    return max(rivals, key=lambda row: row.expected)


def choose(goal: str, found: Mapping[str, Predicted], seconds: Mapping[str, float], head: int, keep: float) -> Choice:
    """Return the choice. `keep`: the most class mean in [0, 1] that the pick may cost the head (inf: anything).

    The pick is a strategy of the last rung: fewer seeds may be luck.
    """
    ranked = standings(goal, found, seconds, head)

    def p_of(best: int, other: int) -> float:
        p = goals.paired(goal, found[ranked[best].strategy], found[ranked[other].strategy]).p
        return 1.0 if math.isnan(p) else p

    groups = tie_groups(len(ranked), p_of)
    placed = [dataclasses.replace(row, group=group) for row, group in zip(ranked, groups, strict=True)]
    most = max(row.seeds for row in placed)
    last = [row for row in placed if row.seeds == most]
    kept = _keeping(last, keep)
    rivals = _rivals(kept)
    costly = tuple(row.strategy for row in last if row not in kept and row.goal > kept[0].goal)
    pick = _simplest(rivals)
    gentle = _simplest(_rivals(_keeping(last, GENTLE))) if pick.head < -GENTLE else None
    return Choice(pick, tuple(placed), rivals, costly, gentle)


def _keeping(rows: Sequence[Standing], keep: float) -> list[Standing]:
    """Return those that cost the head at most `keep`, and plain training."""
    return [row for row in rows if row.head >= -keep or row.strategy == PLAIN]


def _rivals(rows: Sequence[Standing]) -> tuple[Standing, ...]:
    """Return those that cannot be told from the first."""
    return tuple(row for row in rows if row.group == rows[0].group)


def _simplest(rivals: Sequence[Standing]) -> Standing:
    """Return the simplest of those whose expected score ties with the highest."""
    least = highest(rivals).expected - TIE
    return min((row for row in rivals if row.expected >= least), key=lambda row: row.simplicity)
