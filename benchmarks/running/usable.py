"""Which backbones a suite can use, and their first weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from backbones.errors import BackboneError
from backbones.network import build
from backbones.probe import bfloat16_is_sound
from backbones.registry import parse as parse_backbone
from backbones.weights import FirstWeights, Weights, find_imagenet
from benchmarks.suites.choose import expand_backbones, is_glob
from benchmarks.suites.suite import Suite
from benchmarks.support.errors import UserError


def usable_backbones(
    patterns: Sequence[str], suite: Suite, weights: Weights, say: Callable[[str], None]
) -> dict[str, FirstWeights | None]:
    """Return the backbones that names and globs match, each with its initial weights (None: random).

    A backbone matched only by a glob is left out, with a line to `say`, if it cannot take the suite's images or has no
    weights; raises BackboneError for one that is named. Raises UserError if none is left.
    """
    pieces = [piece for text in patterns for piece in text.split(",")]
    named = set(expand_backbones([piece for piece in pieces if not is_glob(piece)]))
    found: dict[str, FirstWeights | None] = {}
    for name in expand_backbones(patterns, suite.backbones):
        try:
            first = first_weights(name, weights)
            if name not in named or first:  # `choose` builds the others anyway
                _check(name, suite, first)
            found[name] = first
        except BackboneError as error:
            if name in named:
                raise
            say(f"Left out: {str(error).rstrip('.')}.")
    if not found:
        raise UserError(f"No backbone that {', '.join(patterns)} matches can be used with {suite.name}; name another.")
    return found


def first_weights(name: str, weights: Weights) -> FirstWeights | None:
    """Return the file with a backbone's first weights, None if they are random. Raises BackboneError if it has none."""
    if weights == "none":
        return None
    return FirstWeights(weights, "file") if isinstance(weights, Path) else find_imagenet(parse_backbone(name).backbone)


def _check(name: str, suite: Suite, first: FirstWeights | None) -> None:
    """Raise BackboneError if the network does not fit its weights or the images."""
    recipe = suite.recipe
    network = build(name, 2, image_size=recipe.image_size, seed=0, weights=first.path if first else "none")
    if recipe.size_at(0.0) < recipe.image_size:
        bfloat16_is_sound(network, name, recipe.size_at(0.0))  # raises if it does not take that size
