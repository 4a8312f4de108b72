"""How often do intervals mark a difference that is not there? `python -m tests.records.null_simulation` prints it.

Two strategies of equal expected accuracy in every class: rows disagree with probability `disagreement`, a share `row`
of which belongs to the row (the same in every training), and trainings shift classes so that `seed_share` of one
training's variance is theirs, half of it common to all classes. With one seed nothing is said about other trainings,
so the share is 0 there.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from benchmarks.records.stats import compare

SIZES = {
    "2 to 12 rows": (2, 3, 4, 5, 6, 8, 10, 12),
    "1 to 8 rows": (1, 1, 1, 2, 3, 5, 8) * 3,
    "1 to 200 rows": (1, 2, 3, 5, 8, 13, 20, 30, 50, 80, 120, 200),
    "60 to 200 rows": (200, 150, 100, 80, 60),
}
SEEDS, DISAGREEMENTS, SHARES, ROW_SHARES = (1, 2, 3, 5), (0.05, 0.2, 0.6), (0.0, 0.3, 0.6, 0.9), (0.0, 0.6)


def draw(
    draws: np.random.Generator, sizes: Sequence[int], seeds: int, disagreement: float, seed_share: float, row: float
) -> np.ndarray:
    """Return differences [S, N] in {-1, 0, 1}, rows class by class, whose expectation is zero."""
    sizes_C = np.asarray(sizes)
    of_N = np.repeat(np.arange(sizes_C.size), sizes_C)
    rows_variance = (disagreement / sizes_C).sum() / sizes_C.size**2
    trained = seed_share / (1 - seed_share) * rows_variance
    shift_SC = draws.normal(size=(seeds, 1)) * math.sqrt(trained / 2)
    shift_SC = shift_SC + draws.normal(size=(seeds, sizes_C.size)) * math.sqrt(trained / 2 * sizes_C.size)
    lean_SN = row * disagreement * draws.choice([-1.0, 1.0], size=of_N.size) + shift_SC[:, of_N]
    up_SN = (disagreement + np.clip(lean_SN, -disagreement, disagreement)) / 2
    at_SN = draws.random(up_SN.shape)
    return np.where(at_SN < up_SN, 1.0, np.where(at_SN < disagreement, -1.0, 0.0))


def false_marks(sizes: Sequence[int], seeds: int, repeats: int, seed: int) -> dict[tuple[float, float, float], float]:
    """Return the share of marked differences by (disagreement, share of seeds, share of rows)."""
    draws = np.random.default_rng(seed)
    shares = SHARES if seeds > 1 else (0.0,)
    return {
        setting: sum(compare(draw(draws, sizes, seeds, *setting), sizes).real for _ in range(repeats)) / repeats
        for setting in itertools.product(DISAGREEMENTS, shares, ROW_SHARES)
    }


def main(repeats: int = 1000) -> None:
    """Print false marks per comparison: by number of seeds and class sizes, and by the seeds' share."""
    print("seeds  classes of       mean   least  most   by share of seeds")
    for seeds, (name, sizes) in itertools.product(SEEDS, SIZES.items()):
        found = false_marks(sizes, seeds, repeats, seed=seeds)
        shares = sorted({share for _, share, _ in found})
        by_share = (np.mean([rate for (_, at, _), rate in found.items() if at == share]) for share in shares)
        rates = list(found.values())
        line = "  ".join(f"{share:.1f}: {rate:.3f}" for share, rate in zip(shares, by_share, strict=True))
        print(f"{seeds:5}  {name:14}  {np.mean(rates):.3f}  {min(rates):.3f}  {max(rates):.3f}  {line}")


if __name__ == "__main__":
    main()
