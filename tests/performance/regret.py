"""How much class mean the recommended strategy loses against the best one: `python -m tests.performance.regret`.

Every candidate is trained at five seeds on long-tailed resamples of the digits; validation rows choose the pick as in
`recommend`, and its regret is the best test class mean of all less its own. The best of many on few test rows is
partly luck, so some regret is left for any choice. The promise: at most one point on average over ten resamples.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Callable
from pathlib import Path

from benchmarks.progress.reporter import Reporter, Reporters
from benchmarks.running.cells import Outcome
from benchmarks.running.frozen_features import with_features
from benchmarks.running.local import execute
from benchmarks.running.session import Request, Session, open_session
from benchmarks.suites.suite import Suite
from benchmarks.support.threads import use_threads
from benchmarks.tools.recommend.candidates import PLAIN, SHORT_LIST, candidates
from benchmarks.tools.recommend.choice import choose, head_classes
from benchmarks.tools.recommend.evidence import goal_on_test
from benchmarks.tools.recommend.search import Search
from benchmarks.tools.recommend.setup import suite_for

GOAL, PROMISED = "class-mean", 0.01


def resample(number: int, size_px: int) -> Suite:
    """Return the suite on one resample of the digits."""
    suite, _ = suite_for("digits", None, device="cpu", budget_s=3600.0, image_size_px=size_px)
    return suite.model_copy(update={"name": f"{suite.name}-resample{number}", "options": {"seed": number}})


def regret(suite: Suite, strategies: tuple[str, ...], out: Path) -> tuple[str, str, float, float]:
    """Return the pick, the best strategy, the pick's regret and that of plain training, in [0, 1]."""

    asked = suite.model_copy(update={"strategies": strategies})
    opened = open_session(Request(suite=asked, seed=0, device="cpu", out=out), lambda _: None, lambda *_: None)
    session = with_features(opened, lambda _: None, lambda *_: None)

    def carry(part: Session, wrap: Callable[[Reporter], Reporter]) -> Outcome:
        ready = with_features(part, lambda _: None, lambda *_: None)
        return execute(ready.plan, ready.context, out, wrap(Reporters()))

    everything = Search(session, GOAL, math.inf, carry).all()
    found = Search(session, GOAL, math.inf, carry).run(lambda _: None)
    head = head_classes(session.context.stages[-1].facts.counts_C)
    pick = choose(GOAL, found.predicted, found.seconds(), head, math.inf).pick.strategy
    scores = {name: goal_on_test(GOAL, records) for name, records in everything.records.items()}
    best = max(scores, key=lambda name: scores[name])
    return pick, best, scores[best] - scores[pick], scores[best] - scores[PLAIN]


def main() -> None:
    """Print the regret of each resample, and the mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resamples", type=int, default=10)
    parser.add_argument("--image-size", type=int, default=64, help="of the images whose features are computed, px")
    parser.add_argument("--short", action="store_true", help="only the short list, in minutes")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    use_threads(1)
    strategies = SHORT_LIST if asked.short else tuple(candidates(frozen=True))
    found = []
    for number in range(asked.resamples):
        pick, best, lost, plain = regret(resample(number, asked.image_size), strategies, asked.out)
        found.append(lost)
        print(f"resample {number}: {pick}, regret {lost:.4f}; best {best}; plain training {plain:.4f}", flush=True)
    print(f"mean regret {statistics.fmean(found):.4f} over {len(found)} resamples (promised: {PROMISED})")


if __name__ == "__main__":
    main()
