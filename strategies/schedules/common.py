"""Shared by the schedules: plain training up to an epoch, then something else to the end of the stage."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, Literal

from strategies.base import Facts, Phase, Strategy
from strategies.space import Choice, Real, Space


def start_epoch(start: float, epochs: int) -> int:
    """Return the epoch, from 0, at which the second part of a stage of `epochs` epochs begins.

    The nearest to `start` * `epochs`, but at most the last: in a stage that is too short for the schedule, the strategy
    must still act.
    """
    return min(round(start * epochs), epochs - 1)


def deferred(start: float, epochs: int) -> tuple[Phase, ...]:
    """Return plain training up to the start, then one segment in which the strategy acts."""
    begins = start_epoch(start, epochs)
    return (*plain_until(begins), Phase(begins, epochs))


def retraining(
    start: float,
    epochs: int,
    trains: str,
    *,
    new_classifier: bool,
    weight_decay: float | None = None,
    moving_statistics: bool = False,
    on: Literal["images", "features"] = "images",
) -> tuple[Phase, ...]:
    """Return plain training up to the start, then a segment that trains only `trains`, with its own schedule.

    The other arguments are fields of that segment's `Phase`.
    """
    begins = start_epoch(start, epochs)
    again = Phase(
        begins, epochs, trains, new_classifier, rate_over=(begins, epochs), weight_decay=weight_decay,
        moving_statistics=moving_statistics, on=on,
    )  # fmt: skip
    return (*plain_until(begins), again)


def plain_until(epoch: int) -> tuple[Phase, ...]:
    """Return the segment of plain training that ends at `epoch`; empty if that is 0."""
    return (Phase(0, epoch, active=False),) if epoch else ()


@dataclasses.dataclass(frozen=True)
class Retraining(Strategy):
    """Train plainly up to `start` of the stage's epochs, in [0, 1), then only the classifier, or a part of it.

    Class variables `trains`, `new_classifier` and `on`: as in the second part's `Phase`.
    """

    seats = frozenset({"prior", "retraining"})
    trains: ClassVar[str] = "classifier"
    new_classifier: ClassVar[bool] = True
    on: ClassVar[Literal["images", "features"]] = "images"
    ranges = {"start": "[0, 1)"}

    start: float = 0.9

    def phases(self, epochs: int, facts: Facts) -> Sequence[Phase]:
        """Plain up to the start, then the classifier."""
        return retraining(self.start, epochs, self.trains, new_classifier=self.new_classifier, on=self.on)


@dataclasses.dataclass(frozen=True)
class Deferred(Strategy):
    """Train plainly up to `start` of the stage's epochs, then weight or draw classes by their effective numbers.

    `beta` is that of `class-balanced`. Subclasses name in `defers` the hooks of other parts that wait for `start` too.
    """

    ranges = {"start": "[0, 1)", "beta": "[0, 1)"}

    start: float = 0.8
    beta: float = 0.9999

    def space(self) -> Space:
        """From half of the epochs to the last tenth; beta as `class-balanced`."""
        return {"start": Real(0.5, 0.9), "beta": Choice((0.9, 0.99, 0.999, 0.9999))}

    def phases(self, epochs: int, facts: Facts) -> Sequence[Phase]:
        """Plain up to the start; the strategy acts from there."""
        return deferred(self.start, epochs)
