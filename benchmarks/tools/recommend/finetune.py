"""One more rung: what is left on frozen features is fine-tuned, as far as the rest of the budget allows."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence

from benchmarks.data.split import head_by_rows
from benchmarks.records.multiple import LEVEL
from benchmarks.records.record import Record
from benchmarks.records.stats import Difference
from benchmarks.running.session import Session
from benchmarks.suites.suite import Suite
from benchmarks.support.words import duration
from benchmarks.tools.recommend import goals
from benchmarks.tools.recommend.candidates import PLAIN, called
from benchmarks.tools.recommend.choice import Choice, Standing, choose
from benchmarks.tools.recommend.evidence import Part, evidence
from benchmarks.tools.recommend.search import Execute, Found, Search

LEAST_GAIN = 0.005  # of accuracy over frozen features
MOST_STRATEGIES, MOST_SEEDS = 4, 3


@dataclasses.dataclass(frozen=True, eq=False)
class FineTuned:
    """What was fine-tuned, and the best of it on validation rows.

    `choice`: among the fine-tuned ones, paired with fine-tuned plain training. `gain`: the goal of its pick less that
    of the frozen pick on the same validation rows. `test`: its class mean on test rows against the frozen pick's.
    `image_size` in pixels; `frozen`: the frozen pick.
    """

    found: Found
    choice: Choice
    gain: Difference
    test: Part | None
    frozen: str
    image_size: int
    epochs: int

    @property
    def wins(self) -> bool:
        """Whether it is recommended: half a point or less does not justify training a whole network."""
        return self.gain.value > LEAST_GAIN

    @property
    def beyond_chance(self) -> bool:
        """Whether the gain over the frozen pick is more than chance."""
        return self.gain.p <= LEVEL

    @property
    def records(self) -> list[Record]:
        """The records of the best one."""
        return self.found.records[self.choice.pick.strategy]


def fine_tune(
    session: Callable[[], Session], finalists: Sequence[str], goal: str, until: float, execute: Execute,
    say: Callable[[str], None],
) -> Found | str:  # fmt: skip
    """Fine-tune plain training and the finalists, best first, until `until`; return a reason if nothing could be.

    `session`: opens one that fine-tunes these strategies. As many are trained as the estimated time allows, at least
    plain training and one more, then with more seeds.
    """
    if time.monotonic() > until:
        return "not tried, because the budget was spent on frozen features; a larger --budget leaves time for it."
    names = tuple(dict.fromkeys((PLAIN, *finalists)))[:MOST_STRATEGIES]
    search = Search(session(), goal, until, execute)
    least = min(2, len(names))
    counts = [n for n in range(len(names), least - 1, -1) if search.seconds(names[:n], 0) <= until - time.monotonic()]
    if not counts:
        over_s = search.seconds(names[:least], 0) - (until - time.monotonic())
        if math.isinf(over_s):
            return "not tried, because how fast it trains here could not be timed."
        which = " and ".join(map(called, names[:least]))
        return f"not tried: {which} would take about {duration(over_s)} more than is left."
    say(f"Fine-tuning {', '.join(map(called, names[: counts[0]]))}.")
    return search.seeds_of(names[: counts[0]], MOST_SEEDS)


def compare(
    found: Found, frozen: Found, pick: Standing, goal: str, keep: float, suite: Suite, counts_C: Sequence[int]
) -> FineTuned | str:
    """Return how the best fine-tuned one does against the frozen `pick`; a sentence where plain training failed."""
    if PLAIN not in found.predicted:
        return "plain training could not be fine-tuned; `status` names the reason."
    head = head_by_rows(counts_C)
    choice = choose(goal, found.predicted, found.seconds(), head, keep)
    best = choice.pick.strategy
    gain = goals.paired(goal, found.predicted[best], frozen.predicted[pick.strategy])
    tested = evidence(found.records[best], frozen.records[pick.strategy], head)
    return FineTuned(
        found, choice, gain, tested.parts[0] if tested else None, pick.strategy, suite.recipe.image_size,
        suite.recipe.stage_epochs("all"),
    )  # fmt: skip
