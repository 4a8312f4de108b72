"""`a+b`: several strategies as one. `joining.py` lists how each hook joins; only one part may hold a seat."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from strategies.base import Strategy, StrategyError
from strategies.combining.joining import JOINS
from strategies.combining.seats import SEATS, clashes, ends_at_new_classifier, overrides, seats_of
from strategies.context import Facts, Outputs, Phase

if TYPE_CHECKING:
    from torch import Tensor


def combine(strategies: Sequence[Strategy]) -> Strategy:
    """Join strategies in order into one; a single one is returned as it is."""
    parts = tuple(part for strategy in strategies for part in strategy.parts())
    return parts[0] if len(parts) == 1 else Combined(parts)


@dataclasses.dataclass(frozen=True)
class Combined(Strategy):
    """Two or more strategies joined by `+`, in the order written.

    Raises `StrategyError` for a repeated part, for `none` as a part, for two parts that hold the same seat, and for a
    deferred part that has a schedule of its own.
    """

    members: tuple[Strategy, ...]

    def __post_init__(self) -> None:
        """Refuse parts that cannot be joined."""
        for part in self.members:
            if part.name == "none":
                raise StrategyError("'none' joins with nothing, it means plain training; leave it out of the '+'.")
        for a, b in itertools.combinations(self.members, 2):
            if a.name == b.name:
                raise StrategyError(f"{a.name} is repeated in {str(self)!r}; write it once.")
            for seat in clashes(a, b):
                does = SEATS.get(seat, f"hold the seat {seat!r}")
                raise StrategyError(f"{a.name} and {b.name} both {does}; keep one of them.")
        for schedule, others in self._deferred():
            for part in others:
                if overrides(part, "phases"):
                    raise StrategyError(
                        f"{schedule.name} cannot defer {part.name}, which has its own schedule; write one of them."
                    )

    def _deferred(self) -> list[tuple[Strategy, list[Strategy]]]:
        """Return each part that defers others, paired with them: the parts that override a hook it defers."""
        held = [
            (part, [p for p in self.members if p.defers != part.defers and any(overrides(p, h) for h in part.defers)])
            for part in self.members
        ]
        return [(part, others) for part, others in held if others]

    def _overriding(self, hook: str) -> list[Strategy]:
        """Return the parts whose `hook` is called: all that override it, except a schedule that defers others' here."""
        only_defer = [part for part, _ in self._deferred() if hook in part.defers]
        return [part for part in self.members if overrides(part, hook) and part not in only_defer]

    @property
    def name(self) -> str:  # type: ignore[override]
        """The parts' names, joined by `+`."""
        return "+".join(part.name for part in self.members)

    @property
    def seats(self) -> frozenset[str]:  # type: ignore[override]
        """The union of the parts' seats."""
        return frozenset().union(*(seats_of(part) for part in self.members))

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        """The union of the parts' needs."""
        return frozenset().union(*(part.needs for part in self.members))

    @property
    def transductive(self) -> bool:  # type: ignore[override]
        """Whether a part is."""
        return any(part.transductive for part in self.members)

    def parts(self) -> tuple[Strategy, ...]:
        """Return the joined strategies, in order."""
        return self.members

    def __str__(self) -> str:
        """Return the parts' canonical texts, joined by `+`."""
        return "+".join(str(part) for part in self.members)

    def trains_differently(self) -> bool:
        """Whether any part trains differently."""
        return any(part.trains_differently() for part in self.members)

    def acting(self, phase: Phase) -> Strategy:
        """Return the parts that act in this segment (see `Phase.acting`) as one strategy."""
        named = [part for part in self.members if phase.acting is None or part.name in phase.acting]
        found = [acts for part in named if (acts := part.acting(phase)).trains_differently()]
        return combine(found) if found else Strategy()

    def phases(self, epochs: int, facts: Facts) -> Sequence[Phase]:
        """Cut the stage at every border of every part; each phase names the parts that act in it.

        A deferred part takes over the phases of the schedule that defers it. The schedule itself is then not named, so
        that the phases have the deferred part's identity and share its jobs.
        Raises `StrategyError` if two parts freeze the network or start a new classifier.
        """
        plans = {part.name: part.phases(epochs, facts) for part in self.members}
        for schedule, others in self._deferred():
            late = plans.pop(schedule.name)
            plans.update({part.name: late for part in others})
        for part, other in itertools.permutations(self.members, 2):
            if ends_at_new_classifier(part, other):
                begins = next(p.start for p in plans[other.name] if p.new_classifier)
                plans[part.name] = _until(plans[part.name], begins, epochs)
        retraining = [name for name, plan in plans.items() if any(p.trains != "all" or p.new_classifier for p in plan)]
        if len(retraining) > 1:
            raise StrategyError(f"{retraining[0]} and {retraining[1]} both train the classifier again; only one may.")
        every = [phase for plan in plans.values() for phase in plan]
        borders = sorted({0, epochs} | {border for p in every for border in (p.start, p.end)})
        empty = {(p.start, p.end) for p in every if p.start == p.end and p.active}
        return [_join_phases(plans, start, end) for start, end in sorted({*itertools.pairwise(borders), *empty})]

    def predict(self, outputs: Outputs, facts: Facts) -> Tensor:
        """Pass the stored logits [N, C] through every part, in order."""
        *_, last = self._through(outputs, facts)
        return last[1].logits_BC

    def report(self, outputs: Outputs, labels_N: np.ndarray, facts: Facts) -> dict[str, Any]:
        """Merge the parts' reports; each part gets the outputs that its `predict` got."""
        found: dict[str, Any] = {}
        for part, given in self._through(outputs, facts):
            found |= part.report(given, labels_N, facts) if part is not None else {}
        return found

    def _through(self, outputs: Outputs, facts: Facts) -> Iterator[tuple[Strategy | None, Outputs]]:
        """Yield each part with its input, then None with the last outputs."""
        for part in self.members:
            yield part, outputs
            held = outputs.held
            if held is not None:  # later parts fit on held-out logits, which must go through the same parts
                within = dataclasses.replace(held.outputs, held=held)
                answered = dataclasses.replace(held.outputs, logits_BC=part.predict(within, facts))
                held = dataclasses.replace(held, outputs=answered)
            outputs = dataclasses.replace(outputs, logits_BC=part.predict(outputs, facts), held=held)
        yield None, outputs


def _joined(hook: str, join: Callable[..., Any]) -> Callable[..., Any]:
    """Return the method of `Combined` that joins the parts' `hook` with `join`."""

    def method(self: Combined, *args: Any, **named: Any) -> Any:
        hooks = [functools.partial(getattr(part, hook), **named) for part in self._overriding(hook)]
        return join(hooks, *args)

    method.__name__, method.__doc__ = hook, f"Join the parts' `{hook}`: `joining.{join.__name__}`."
    return method


for _hook, _join in JOINS.items():
    setattr(Combined, _hook, _joined(_hook, _join))


def _until(plan: Sequence[Phase], end: int, epochs: int) -> Sequence[Phase]:
    """Return the plan cut at the epoch `end`; after it the part does not act."""
    before = [dataclasses.replace(phase, end=min(phase.end, end)) for phase in plan if phase.start < end]
    return (*before, Phase(end, epochs, active=False))


def _join_phases(plans: dict[str, Sequence[Phase]], start: int, end: int) -> Phase:
    """Join the parts' phases over the epochs start..end, within which no part changes phase."""
    covering = {
        name: min((p for p in plan if p.start <= start and end <= p.end), key=lambda p: p.end - p.start)
        for name, plan in plans.items()
    }
    phases = covering.values()
    acting = tuple(name for name, phase in covering.items() if phase.active)
    return Phase(
        start=start,
        end=end,
        trains=next((p.trains for p in phases if p.trains != "all"), "all"),
        new_classifier=any(p.new_classifier and p.start == start for p in phases),
        active=bool(acting),
        acting=acting,
        rate_over=next((p.rate_over for p in phases if p.rate_over), None),
        weight_decay=next((p.weight_decay for p in phases if p.weight_decay is not None), None),
        moving_statistics=any(p.moving_statistics for p in phases),
        on="features" if any(p.on == "features" for p in phases) else "images",
    )
