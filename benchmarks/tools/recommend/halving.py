"""Successive halving: all candidates with few seeds, then the better half with more, until few are left.

K. Jamieson, A. Talwalkar, Non-stochastic Best Arm Identification and Hyperparameter Optimization, AISTATS 2016.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

MOST_SEEDS = 5
LEAST_LEFT = 4  # finalists, which all get `MOST_SEEDS`
# With fewer validation rows per seed, start with all or about half of the seeds: trainings are cheap there.
FEW_ROWS, SOME_ROWS = 300, 1000


@dataclasses.dataclass(frozen=True)
class Rung:
    """So many `seeds` of each of these strategies, the better ones first."""

    strategies: tuple[str, ...]
    seeds: int


def first_seeds(validation_rows: int) -> int:
    """Return the seeds of the first rung: where rows are few, trainings are cheap and each says little."""
    return MOST_SEEDS if validation_rows < FEW_ROWS else 3 if validation_rows < SOME_ROWS else 1


def after(rung: Rung, ranked: Sequence[str], plain: str) -> Rung | None:
    """Return the rung after `rung`, given its strategies `ranked` by validation, best first; None after the last.

    The better half stays, `plain` always, and gets twice the seeds, at most `MOST_SEEDS`.
    """
    if rung.seeds >= MOST_SEEDS and len(rung.strategies) <= LEAST_LEFT + 1:
        return None
    own = [name for name in ranked if name in rung.strategies]
    left = max(LEAST_LEFT, math.ceil(len(own) / 2))
    kept = [name for name in own[:left] if name != plain]
    seeds = MOST_SEEDS if left <= LEAST_LEFT else min(MOST_SEEDS, 2 * rung.seeds)
    return Rung((plain, *kept), seeds)
