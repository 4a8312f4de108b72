"""`a+b`: several strategies as one. Each hook runs a's, then b's; seats that only one may hold are refused by name."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from strategies.base import Strategy, StrategyError
from strategies.combining.seats import clashes, ends_at_new_classifier, overrides, seats_of
from strategies.context import Batch, Facts, Outputs, Phase, Pipeline, Progress, Step, Text, Trained

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


def combine(strategies: Sequence[Strategy]) -> Strategy:
    """Return the strategies as one, in order; a single one is returned as it is."""
    parts = tuple(part for strategy in strategies for part in strategy.parts())
    return parts[0] if len(parts) == 1 else Combined(parts)


@dataclasses.dataclass(frozen=True)
class Combined(Strategy):
    """Two or more strategies joined by `+`, in the order written.

    Raises `StrategyError` for a part that stands twice, for `none` among the parts, for two parts on one seat, and for
    a part that is to be deferred and has a schedule of its own.
    """

    members: tuple[Strategy, ...]

    def __post_init__(self) -> None:
        """Refuse parts that cannot be joined."""
        for part in self.members:
            if part.name == "none":
                raise StrategyError("'none' joins with nothing, it means plain training; leave it out of the '+'.")
        for a, b in itertools.combinations(self.members, 2):
            if a.name == b.name:
                raise StrategyError(f"{a.name} stands twice in {str(self)!r}; write it once.")
            for seat in clashes(a, b):
                raise StrategyError(f"{a.name} and {b.name} both hold the seat {seat!r}; only one may.")
        for schedule, others in self._deferred():
            for part in others:
                if overrides(part, "phases"):
                    raise StrategyError(
                        f"{schedule.name} cannot defer {part.name}, whose schedule is its own; write one of them."
                    )

    def _deferred(self) -> list[tuple[Strategy, list[Strategy]]]:
        """Each part that holds back others, with those: the ones that bring a hook that it defers."""
        held = [
            (part, [p for p in self.members if p.defers != part.defers and any(overrides(p, h) for h in part.defers)])
            for part in self.members
        ]
        return [(part, others) for part, others in held if others]

    def _bringing(self, hook: str) -> list[Strategy]:
        """The parts whose `hook` counts: all that override it, but for those that only defer the others' here."""
        only_defer = [part for part, _ in self._deferred() if hook in part.defers]
        return [part for part in self.members if overrides(part, hook) and part not in only_defer]

    @property
    def name(self) -> str:  # type: ignore[override]
        """The parts' names, joined by `+`."""
        return "+".join(part.name for part in self.members)

    @property
    def summary(self) -> str:  # type: ignore[override]
        """The parts' summaries, joined."""
        return "; ".join(part.summary for part in self.members)

    @property
    def paper(self) -> str:  # type: ignore[override]
        """The parts' papers, joined."""
        return "; ".join(part.paper for part in self.members if part.paper)

    @property
    def seats(self) -> frozenset[str]:  # type: ignore[override]
        """Every seat that a part holds."""
        return frozenset().union(*(seats_of(part) for part in self.members))

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        """Everything that a part needs."""
        return frozenset().union(*(part.needs for part in self.members))

    def parts(self) -> tuple[Strategy, ...]:
        """The strategies joined, in order."""
        return self.members

    def __str__(self) -> str:
        """The parts' canonical texts, joined by `+`."""
        return "+".join(str(part) for part in self.members)

    def trains_differently(self) -> bool:
        """Whether any part does."""
        return any(part.trains_differently() for part in self.members)

    def acting(self, phase: Phase) -> Strategy:
        """The parts that act in this segment (see `Phase.acting`), as one strategy."""
        named = [part for part in self.members if phase.acting is None or part.name in phase.acting]
        found = [acts for part in named if (acts := part.acting(phase)).trains_differently()]
        return combine(found) if found else Strategy()

    def phases(self, epochs: int, facts: Facts) -> Sequence[Phase]:
        """Cut the stage at every border of every part; each segment says which parts act in it.

        A deferred part follows the schedule that defers it, and the schedule has no segment of its own then: where it
        is done, the segment is the deferred part's, and shared with whoever else reaches it.
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
        return [_stretch(plans, start, end) for start, end in sorted({*itertools.pairwise(borders), *empty})]

    def class_weights_C(self, facts: Facts, progress: Progress) -> np.ndarray | None:
        """The product of the parts' weights."""
        bringing = self._bringing("class_weights_C")
        given = [w for part in bringing if (w := part.class_weights_C(facts, progress)) is not None]
        return functools.reduce(np.multiply, given) if given else None

    def sampling_C(self, facts: Facts, progress: Progress) -> np.ndarray | None:
        """The sampler's distribution."""
        given = (part.sampling_C(facts, progress) for part in self._bringing("sampling_C"))
        return next((p_C for p_C in given if p_C is not None), None)

    def kept_C(self, facts: Facts, progress: Progress) -> np.ndarray | None:
        """What the sampler keeps."""
        given = (part.kept_C(facts, progress) for part in self._bringing("kept_C"))
        return next((kept_C for kept_C in given if kept_C is not None), None)

    def resample_rows(self, labels_N: np.ndarray, facts: Facts, seed: int) -> np.ndarray | None:
        """What the sampler draws from."""
        given = (part.resample_rows(labels_N, facts, seed) for part in self._bringing("resample_rows"))
        return next((rows_M for rows_M in given if rows_M is not None), None)

    def resample_features(
        self, features_NF: np.ndarray, labels_N: np.ndarray, facts: Facts, seed: int
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """What the sampler makes of the features."""
        bringing = self._bringing("resample_features")
        given = (part.resample_features(features_NF, labels_N, facts, seed) for part in bringing)
        return next((resampled for resampled in given if resampled is not None), None)

    def augmentation(self, facts: Facts) -> Pipeline | None:
        """The stronger of the parts' strengths, class by class."""
        given = [p for part in self.members if (p := part.augmentation(facts)) is not None]
        if not given:
            return None
        strengths = zip(*(p.strength_C for p in given), strict=True)
        return Pipeline(tuple(max(of_class) for of_class in strengths), max(p.share for p in given))

    def second_C(self, facts: Facts, progress: Progress) -> np.ndarray | None:
        """The second batch of the part that mixes."""
        given = (part.second_C(facts, progress) for part in self.members)
        return next((p_C for p_C in given if p_C is not None), None)

    def mix(self, batch: Batch, facts: Facts, generator: torch.Generator) -> Batch:
        """The mixing of the part that mixes."""
        return functools.reduce(lambda mixed, part: part.mix(mixed, facts, generator), self.members, batch)

    def architecture(self, network: nn.Module, facts: Facts) -> None:
        """The change of the part that brings one."""
        for part in self.members:
            part.architecture(network, facts)

    def classifier(self, classifier: nn.Module, in_features: int, facts: Facts) -> nn.Module:
        """The classifier of the part that brings one."""
        return functools.reduce(lambda new, part: part.classifier(new, in_features, facts), self.members, classifier)

    def train_logits(self, outputs: Outputs, batch: Batch, step: Step) -> Tensor:
        """The logits through every part, in order."""
        for part in self.members:
            logits_BC = part.train_logits(outputs, batch, step)
            outputs = dataclasses.replace(outputs, logits_BC=logits_BC)
        return outputs.logits_BC

    def loss(self, outputs: Outputs, batch: Batch, step: Step) -> Tensor | None:
        """The loss of the part that brings one."""
        given = (part.loss(outputs, batch, step) for part in self.members)
        return next((loss for loss in given if loss is not None), None)

    def after_step(self, network: nn.Module) -> None:
        """Every part's, in order."""
        for part in self.members:
            part.after_step(network)

    def after_training(self, network: nn.Module, facts: Facts, trained: Trained) -> None:
        """Every part's, in order."""
        for part in self.members:
            part.after_training(network, facts, trained)

    def text(self) -> Text | None:
        """The names of the part that reads them."""
        return next((text for part in self.members if (text := part.text()) is not None), None)

    def companions(self) -> tuple[str, ...]:
        """The companions of the part that has any."""
        return next((named for part in self.members if (named := part.companions())), ())

    def predict(self, outputs: Outputs, facts: Facts) -> Tensor:
        """The stored logits through every part, in order."""
        *_, last = self._through(outputs, facts)
        return last[1].logits_BC

    def report(self, outputs: Outputs, labels_N: np.ndarray, facts: Facts) -> dict[str, Any]:
        """Every part's, each on what it was given."""
        found: dict[str, Any] = {}
        for part, given in self._through(outputs, facts):
            found |= part.report(given, labels_N, facts) if part is not None else {}
        return found

    def _through(self, outputs: Outputs, facts: Facts) -> Iterator[tuple[Strategy | None, Outputs]]:
        """Yield each part with what it is given, and at the end None with the last outputs."""
        for part in self.members:
            yield part, outputs
            held = outputs.held
            if held is not None:  # later parts fit on what they are given for the test rows too
                within = dataclasses.replace(held.outputs, held=held)
                answered = dataclasses.replace(held.outputs, logits_BC=part.predict(within, facts))
                held = dataclasses.replace(held, outputs=answered)
            outputs = dataclasses.replace(outputs, logits_BC=part.predict(outputs, facts), held=held)
        yield None, outputs


def _until(plan: Sequence[Phase], end: int, epochs: int) -> Sequence[Phase]:
    """Return the plan cut at the epoch `end`; after it the part does not act."""
    before = [dataclasses.replace(phase, end=min(phase.end, end)) for phase in plan if phase.start < end]
    return (*before, Phase(end, epochs, active=False))


def _stretch(plans: dict[str, Sequence[Phase]], start: int, end: int) -> Phase:
    """Join what the parts plan for the epochs start..end, which no part cuts."""
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
