"""Which backbones of a glob a suite can use: those that take its images and have its weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from backbones.errors import BackboneError
from backbones.network import build
from backbones.probe import bfloat16_is_sound
from backbones.weights import Weights
from benchmarks.suites.choose import expand_backbones
from benchmarks.suites.suite import Suite
from benchmarks.support.errors import UserError


def usable_backbones(patterns: Sequence[str], suite: Suite, weights: Weights, say: Callable[[str], None]) -> list[str]:
    """Return the backbones that names and globs mean, those left out that a glob found and the suite cannot use.

    `say` gets a line for each of them; one that was named stays, and is an error later. Raises UserError where none is
    left.
    """
    pieces = [piece for text in patterns for piece in text.split(",")]
    named = set(expand_backbones([piece for piece in pieces if not any(c in piece for c in "*?[")]))
    kept = []
    for name in expand_backbones(patterns):
        reason = None if name in named else _reason(name, suite, weights)
        if reason is None:
            kept.append(name)
        else:
            say(f"Left out: {reason}.")
    if not kept:
        raise UserError(f"No backbone that {', '.join(patterns)} matches can be used with {suite.name}; name another.")
    return kept


def _reason(name: str, suite: Suite, weights: Weights) -> str | None:
    """Return why a suite cannot use a backbone, None if it can."""
    try:
        network = build(name, 2, image_size=suite.recipe.image_size, seed=0, weights=weights)
        if suite.recipe.size_at(0.0) < suite.recipe.image_size:
            bfloat16_is_sound(network, name, suite.recipe.size_at(0.0))  # raises if it does not take that size
    except BackboneError as error:
        return str(error).rstrip(".")
    return None
