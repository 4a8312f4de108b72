"""A stage's history under a strategy: segments of epochs, which hooks act in each, and what the next stage sees."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Literal

from benchmarks.planning.stages import Stage
from strategies.base import Strategy
from strategies.combining.expression import parse


@dataclasses.dataclass(frozen=True)
class Segment:
    """A part of a stage's history: `identity` of the hooks that act (for the key), and their expression, `text`."""

    identity: str
    start: int
    end: int
    trains: str
    new_classifier: bool
    text: str
    rate_over: tuple[int, int] | None = None
    weight_decay: float | None = None
    moving_statistics: bool = False
    on: Literal["images", "features"] = "images"

    def content(self) -> list[object]:
        """Return what a key covers; what stands at its default is left out, so that older keys stay."""
        later = {f.name: f.default for f in dataclasses.fields(self) if f.default is not dataclasses.MISSING}
        own = {name: value for name, default in later.items() if (value := getattr(self, name)) != default}
        return [self.identity, self.start, self.end, self.trains, self.new_classifier, *([own] if own else [])]

    def leaves_the_representation(self) -> bool:
        """Whether the next stage starts from the state before: all that it takes over is what stood there already."""
        return self.trains.split(".")[0] == "classifier" and not self.moving_statistics


def history_of(stage: Stage, epochs: int, strategy: Strategy) -> list[Segment]:
    """Return the stage's segments under a strategy, merged where nothing changes at a border."""
    number = stage.data.stage
    active = strategy if strategy.acts_in(number) else parse("none")
    merged: list[Segment] = []
    for phase in active.phases(epochs, stage.facts):
        identity, text = active.training_identity(number, phase), str(active.acting(number, phase)) or "none"
        new = Segment(
            identity, phase.start, phase.end, phase.trains, phase.new_classifier, text, phase.rate_over,
            phase.weight_decay, phase.moving_statistics, phase.on,
        )  # fmt: skip
        last = merged[-1] if merged else None
        if last and not new.new_classifier and _trains_alike(last, new):
            merged[-1] = dataclasses.replace(last, end=new.end)
        else:
            merged.append(new)
    return merged


def _trains_alike(one: Segment, other: Segment) -> bool:
    """Whether two segments differ in nothing but their epochs and whether the classifier is new."""
    return one == dataclasses.replace(other, start=one.start, end=one.end, new_classifier=one.new_classifier)


def states(history: Sequence[Segment]) -> Iterator[tuple[Segment, int, list[Segment]]]:
    """Yield each state on the way: the segment it stands in, its epoch, and the history so far."""
    for index, segment in enumerate(history):
        for at in range(min(segment.start + 1, segment.end), segment.end + 1):
            yield segment, at, [*history[:index], dataclasses.replace(segment, end=at)]


def handed_on(history: Sequence[Segment]) -> int:
    """Return after how many of a stage's segments the next stage starts: without those at the end that it cannot see.

    At least one: a first segment may begin with weights that only it has drawn.
    """
    count = len(history)
    while count > 1 and history[count - 1].leaves_the_representation():
        count -= 1
    return count
