"""How much class mean the recommended strategy loses against the best one: `python -m tests.performance.regret`.

Every candidate is trained at five seeds on long-tailed resamples of the digits; validation rows choose the pick as in
`recommend`, and its regret is the best test class mean of all less its own. The best of many on few test rows is partly
luck, which no choice could avoid, so two figures are printed: the best and the pick on the same test rows, and the best
on one half of the rows of each class against the pick on the other half. Each should be at most one point on average
over ten resamples.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.commands.recommend import KEEP_HEAD
from benchmarks.data.split import head_by_rows
from benchmarks.progress.reporter import Reporter, Reporters
from benchmarks.records.bits import unpack_bits
from benchmarks.records.record import Record
from benchmarks.running.cells import Outcome
from benchmarks.running.frozen_features import with_features
from benchmarks.running.local import execute
from benchmarks.running.session import Request, Session, open_session
from benchmarks.suites.suite import Suite
from benchmarks.support.threads import use_threads
from benchmarks.tools.recommend.candidates import PLAIN, SHORT_LIST, candidates
from benchmarks.tools.recommend.choice import choose
from benchmarks.tools.recommend.search import Search
from benchmarks.tools.recommend.setup import suite_for

GOAL, MOST = "class-mean", 0.01
PARTS = (slice(None), slice(0, None, 2), slice(1, None, 2))  # of the test rows of a class: all, and the halves


def resample(number: int, size_px: int) -> Suite:
    """Return the suite on one resample of the digits."""
    suite = suite_for("digits", None, device="cpu", budget_s=3600.0, image_size_px=size_px).suite
    return suite.model_copy(update={"name": f"{suite.name}-resample{number}", "options": {"seed": number}})


@dataclasses.dataclass(frozen=True)
class Regret:
    """The pick, the best strategy, and what the pick loses: on all test rows, and on those that did not name the best.

    `plain`: what plain training loses on all test rows.
    """

    pick: str
    best: str
    same_rows: float
    other_rows: float
    plain: float


def class_means(records: Sequence[Record]) -> np.ndarray:
    """Return the mean over seeds of the class mean on all test rows, and on each half of those of every class, [3]."""
    stages = [record.stages[-1] for record in records]
    right_N = np.mean([unpack_bits(stage.top1_bits, stage.rows) for stage in stages], axis=0)
    by_class = np.split(right_N, np.cumsum(stages[0].test_n)[:-1])
    return np.array([np.mean([of[part].mean() for of in by_class if len(of) > 1]) for part in PARTS])


def regret(suite: Suite, strategies: tuple[str, ...], out: Path) -> Regret:
    """Return the regret on one resample, in [0, 1]."""
    asked = suite.model_copy(update={"strategies": strategies})
    opened = open_session(Request(suite=asked, seed=0, device="cpu", out=out), lambda _: None, lambda *_: None)
    session = with_features(opened, lambda _: None, lambda *_: None)

    def carry(session: Session, *, wrap: Callable[[Reporter], Reporter]) -> Outcome:
        ready = with_features(session, lambda _: None, lambda *_: None)
        return execute(ready.plan, ready.context, out, wrap(Reporters()))

    everything = Search(session, GOAL, math.inf, carry).all()
    found = Search(session, GOAL, math.inf, carry, KEEP_HEAD).run(lambda *_: None)
    head = head_by_rows(session.context.stages[-1].facts.counts_C)
    pick = choose(GOAL, found.predicted, found.seconds(), head, KEEP_HEAD).pick.strategy
    scores = {name: class_means(records) for name, records in everything.records.items()}
    best, *halves = (max(scores, key=lambda name: scores[name][part]) for part in range(len(PARTS)))
    lost = [scores[halves[part]][2 - part] - scores[pick][2 - part] for part in (0, 1)]
    whole = scores[best][0]
    return Regret(pick, best, whole - scores[pick][0], statistics.fmean(lost), whole - scores[PLAIN][0])


def main() -> None:
    """Print the regret of each resample, and the mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resamples", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="number of the first resample")
    parser.add_argument("--image-size", type=int, default=64, help="of the images whose features are computed, px")
    parser.add_argument("--short", action="store_true", help="only the short list, in minutes")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    use_threads(1)
    strategies = SHORT_LIST if asked.short else tuple(candidates(frozen=True))
    found = []
    for number in range(asked.first, asked.first + asked.resamples):
        found.append(one := regret(resample(number, asked.image_size), strategies, asked.out))
        print(
            f"resample {number}: {one.pick}, regret {one.same_rows:.4f} on the same rows, {one.other_rows:.4f} on "
            f"others; best {one.best}; plain training {one.plain:.4f}",
            flush=True,
        )
    means = [statistics.fmean(getattr(one, name) for one in found) for name in ("same_rows", "other_rows", "plain")]
    print(
        f"mean regret over {len(found)} resamples: {means[0]:.4f} on the same rows, {means[1]:.4f} on others "
        f"(at most {MOST}), plain training {means[2]:.4f}"
    )


if __name__ == "__main__":
    main()
