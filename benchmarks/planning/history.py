"""The segments of a stage under a strategy, and after how many of them the next stage starts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from benchmarks.planning.stages import Stage
from strategies.base import Phase, Strategy


@dataclasses.dataclass(frozen=True)
class Segment:
    """Consecutive epochs of a stage in which the same hooks act in the same way.

    `phase`: its epochs and how they train, with `active` and `acting` at their defaults, because the rest of the
    segment says what acts: `strategy` is the expression whose hooks act ("none" for plain training), `identity` the
    same with all defaults and versions, for keys ("" for plain training).
    """

    phase: Phase
    strategy: str
    identity: str

    def content(self) -> dict[str, object]:
        """Return what a job's key covers, as JSON values."""
        return {"identity": self.identity, "phase": dataclasses.asdict(self.phase)}

    def cut(self, start: int, end: int) -> Segment:
        """Return the epochs [start, end) of this segment; only its first part starts a new classifier."""
        new = self.phase.new_classifier and start == self.phase.start
        return dataclasses.replace(
            self, phase=dataclasses.replace(self.phase, start=start, end=end, new_classifier=new)
        )

    def continues(self, other: Segment) -> bool:
        """Whether this segment differs from the preceding one, `other`, only in its epochs."""
        alike = dataclasses.replace(
            self.phase, start=other.phase.start, end=other.phase.end, new_classifier=other.phase.new_classifier
        )
        return not self.phase.new_classifier and other == dataclasses.replace(self, phase=alike)

    def leaves_the_representation(self) -> bool:
        """Whether this segment has no effect on the next stage, which takes over everything but the classifier."""
        return self.phase.trains.split(".")[0] == "classifier" and not self.phase.moving_statistics


def history_of(stage: Stage, epochs: int, strategy: Strategy) -> list[Segment]:
    """Return the stage's segments under a strategy, neighbours merged where nothing changes between them."""
    merged: list[Segment] = []
    for phase in strategy.phases(epochs, stage.facts):
        acting = strategy.acting(phase)
        new = Segment(
            phase=dataclasses.replace(phase, active=True, acting=None),
            strategy=str(acting) or "none",
            identity=acting.identity(),
        )
        if merged and new.continues(merged[-1]):
            merged[-1] = merged[-1].cut(merged[-1].phase.start, phase.end)
        else:
            merged.append(new)
    return merged


def states(history: Sequence[Segment]) -> Iterator[tuple[Segment, int, list[Segment]]]:
    """Yield each state that training passes through: its segment, its epoch, and the history up to it."""
    for index, segment in enumerate(history):
        start, end = segment.phase.start, segment.phase.end
        for at in range(min(start + 1, end), end + 1):
            yield segment, at, [*history[:index], segment.cut(start, at)]


def handed_on(history: Sequence[Segment]) -> int:
    """Return how many of a stage's segments the next stage builds on: trailing ones without effect on it do not count.

    At least one: the first segment may start from weights that only it has drawn.
    """
    count = len(history)
    while count > 1 and history[count - 1].leaves_the_representation():
        count -= 1
    return count
