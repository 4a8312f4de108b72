"""Seats: what only one part of `a+b` may do, and which parts correct twice for the class counts."""

from __future__ import annotations

from strategies.base import Strategy

# seat -> what two parts that hold it would both do
SEATS = {
    "architecture": "change the network",
    "ascent": "choose the point at which gradients are taken",
    "augmentation": "augment images",
    "classifier": "change the classifier",
    "loss": "replace the loss",
    "mix": "mix the samples of a batch",
    "prior": "correct for the class counts",
    "retraining": "decide which weights training ends with",
    "sampler": "choose which rows are drawn",
    "text": "read names",
}
SEAT_OF_HOOK = {
    "sampling_C": "sampler", "kept_C": "sampler", "resample_rows": "sampler", "resample_features": "sampler",
    "second_C": "mix", "mix": "mix", "mix_features": "mix", "loss": "loss", "ascend": "ascent", "ascent_C": "ascent",
    "architecture": "architecture", "classifier": "classifier",
}  # fmt: skip


def seats_of(strategy: Strategy) -> frozenset[str]:
    """Return the seats a strategy holds: those it declares, and those whose hook it overrides."""
    return strategy.seats | {seat for hook, seat in SEAT_OF_HOOK.items() if overrides(strategy, hook)}


def overrides(strategy: Strategy, hook: str) -> bool:
    """Whether a strategy overrides this hook."""
    return getattr(type(strategy), hook) is not getattr(Strategy, hook)


def calls(strategy: Strategy, *hooks: str) -> bool:
    """Whether the strategy or a part of it overrides one of these hooks."""
    return any(overrides(part, hook) for part in strategy.parts() for hook in hooks)


def clashes(a: Strategy, b: Strategy) -> list[str]:
    """Return the seats that both strategies hold and neither releases.

    A part that only defers a hook releases its seat, and a new classifier ends the other part's correction.
    """
    left = {SEAT_OF_HOOK.get(hook) for hook in a.defers ^ b.defers}
    if ends_at_new_classifier(a, b) or ends_at_new_classifier(b, a):
        left.add("prior")
    return sorted(seats_of(a) & seats_of(b) - left)


def ends_at_new_classifier(part: Strategy, other: Strategy) -> bool:
    """Whether `part` corrects for the class counts in its loss, and `other` later replaces that classifier.

    False for a part that builds another network: it has to act in every segment.
    """
    corrects = "prior" in part.seats and (overrides(part, "train_logits") or overrides(part, "loss"))
    return other.new_classifier and corrects and not overrides(part, "architecture")


def corrected_twice(strategy: Strategy) -> list[str]:
    """Return a line for each pair of parts that act together and both correct for the class counts.

    Two logit corrections are refused by their seat. A logit correction with class weights or a sampler is allowed but
    reported, unless its paper combines the two (`joined_in_paper`) or a new classifier separates them.
    """
    parts = strategy.parts()
    logits = [part for part in parts if "prior" in seats_of(part)]
    weights = [part for part in parts if overrides(part, "class_weights_C")]
    draws = [part for part in parts if "sampler" in seats_of(part) and part not in weights]
    pairs = [(a, b, "class_weights_C") for a in logits for b in weights]
    pairs += [(a, b, "sampling_C") for a in logits for b in draws]
    return [
        f"{strategy}: the class counts are corrected for twice, by {a.name} and by {b.name}."
        for a, b, hook in pairs
        if a is not b and hook not in a.joined_in_paper and not ends_at_new_classifier(a, b)
    ]
