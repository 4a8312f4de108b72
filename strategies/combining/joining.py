"""How `a+b` joins the hooks of its parts: one join function per hook.

A join function gets the hook of every part that overrides it, bound, in the order written, and the call's arguments.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from strategies.context import Batch, Facts, Outputs, Pipeline, Step

if TYPE_CHECKING:
    from torch import Tensor

Hooks = Sequence[Callable[..., Any]]


def product(hooks: Hooks, *args: Any) -> np.ndarray | None:
    """Multiply the arrays that parts return; None if all return None."""
    arrays = [array for hook in hooks if (array := hook(*args)) is not None]
    return functools.reduce(np.multiply, arrays) if arrays else None


def first(hooks: Hooks, *args: Any) -> Any:
    """Return the first answer that is not None; a seat lets only one part give it."""
    return next((answer for hook in hooks if (answer := hook(*args)) is not None), None)


def first_nonempty(hooks: Hooks, *args: Any) -> tuple[Any, ...]:
    """Return the first tuple that is not empty."""
    return next((answer for hook in hooks if (answer := hook(*args))), ())


def largest(hooks: Hooks) -> int:
    """Return the largest of the parts' numbers; 1 without parts."""
    return max((hook() for hook in hooks), default=1)


def strongest(hooks: Hooks, facts: Facts) -> Pipeline | None:
    """Return the strongest augmentation, class by class, with the largest share; None if all return None."""
    given = [pipeline for hook in hooks if (pipeline := hook(facts)) is not None]
    if not given:
        return None
    strengths = zip(*(pipeline.strength_C for pipeline in given), strict=True)
    return Pipeline(tuple(max(of_class) for of_class in strengths), max(pipeline.share for pipeline in given))


def chain(hooks: Hooks, value: Any, *args: Any) -> Any:
    """Pass the first argument through every part in order."""
    for hook in hooks:
        value = hook(value, *args)
    return value


def chain_logits(hooks: Hooks, outputs: Outputs, batch: Batch, step: Step) -> Tensor:
    """Pass the logits [B, C] through every part in order."""
    for hook in hooks:
        outputs = dataclasses.replace(outputs, logits_BC=hook(outputs, batch, step))
    return outputs.logits_BC


def joined(hooks: Hooks) -> dict[str, float]:
    """Return the entries of all parts' mappings; an earlier part's come first and win."""
    found: dict[str, float] = {}
    for hook in hooks:
        found = {**found, **{key: value for key, value in hook().items() if key not in found}}
    return found


def every(hooks: Hooks, *args: Any) -> None:
    """Call every part in order."""
    for hook in hooks:
        hook(*args)


JOINS: Mapping[str, Callable[..., Any]] = {
    "class_weights_C": product,
    "sampling_C": first,
    "kept_C": first,
    "resample_rows": first,
    "resample_features": first,
    "augmentation": strongest,
    "views": largest,
    "second_C": first,
    "mix": chain,
    "mix_features": chain,
    "architecture": every,
    "classifier": chain,
    "attach": every,
    "text": first,
    "before_training": every,
    "rates": joined,
    "train_logits": chain_logits,
    "loss": first,
    "ascend": first,
    "ascent_C": first,
    "after_step": every,
    "after_epoch": every,
    "after_training": every,
    "companions": first_nonempty,
}
