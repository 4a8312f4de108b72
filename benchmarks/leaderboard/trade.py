"""What helping the tail costs the head: the two accuracies that a scatter shows, and their Pareto front."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from benchmarks.leaderboard.sections import Entry, Section


@dataclasses.dataclass(frozen=True)
class Axis:
    """A metric of a stage (a position) that a scatter has on one axis."""

    stage: int
    metric: str
    label: str

    def of(self, entry: Entry) -> float:
        """Return the entry's value, mean over seeds; NaN where there are no test rows."""
        return entry.scores[self.stage].mean(self.metric)


def axes(section: Section) -> tuple[Axis, Axis]:
    """Return (across, up): class mean of head and of tail; in the joint protocol of the many- and few-shot classes."""
    stages = section.first.stages
    if len(stages) == 1:
        return Axis(0, "many", "class mean, over 100 training rows"), Axis(0, "few", "class mean, under 20 rows")
    return Axis(0, "class-mean", f"{stages[0].name} class mean"), Axis(1, "class-mean", f"{stages[1].name} class mean")


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the positions of the Pareto-optimal points: no other is at least as high in both and higher in one."""

    def exceeded(point: tuple[float, float]) -> bool:
        return any(a >= point[0] and b >= point[1] and (a, b) != point for a, b in points)

    return [k for k, point in enumerate(points) if not exceeded(point)]
