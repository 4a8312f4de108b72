"""Seats: what only one part of `a+b` may do, and who corrects twice for the class counts."""

from __future__ import annotations

from strategies.base import Strategy

SEAT_OF_HOOK = {
    "sampling_C": "sampler", "kept_C": "sampler", "resample_rows": "sampler", "resample_features": "sampler",
    "second_C": "mix", "mix": "mix", "loss": "loss", "architecture": "classifier", "classifier": "classifier",
}  # fmt: skip


def seats_of(strategy: Strategy) -> frozenset[str]:
    """Return the seats a strategy holds: those it declares, and those whose hook it overrides.

    Whoever changes the network below its classifier also holds "architecture", which networks that read names declare.
    """
    hooks = {seat for hook, seat in SEAT_OF_HOOK.items() if overrides(strategy, hook)}
    return strategy.seats | hooks | ({"architecture"} if overrides(strategy, "architecture") else set())


def overrides(strategy: Strategy, hook: str) -> bool:
    """Whether a strategy brings a hook of its own."""
    return getattr(type(strategy), hook) is not getattr(Strategy, hook)


def clashes(a: Strategy, b: Strategy) -> list[str]:
    """Return the seats that both hold; who only defers a hook leaves its seat."""
    left = {SEAT_OF_HOOK.get(hook) for hook in a.defers ^ b.defers}
    return sorted(seats_of(a) & seats_of(b) - left)


def corrected_twice(strategy: Strategy) -> list[str]:
    """Return a line for every two parts that both answer for the class counts and may all the same be joined.

    Two corrections of the logits are refused by their seat; one of them with class weights or a sampler is a choice
    (LDAM with deferred weights is one of a paper), and is only named.
    """
    parts = strategy.parts()
    logits = [part for part in parts if "prior" in seats_of(part)]
    weights = [part for part in parts if type(part).class_weights_C is not Strategy.class_weights_C]
    draws = [part for part in parts if "sampler" in seats_of(part) and part not in weights]
    return [
        f"{strategy}: the class counts are corrected for twice, by {a.name} and by {b.name}."
        for a in logits
        for b in weights + draws
        if a is not b
    ]
