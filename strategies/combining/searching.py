"""The parameters of an expression that a search may change, and the expression with other values of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from strategies.base import Strategy, StrategyError
from strategies.combining.combine import combine
from strategies.space import Range, Value


def searched(strategy: Strategy) -> dict[str, Range]:
    """Return the ranges of an expression's parameters, by `parameter`, or `part.parameter` in `a+b`.

    What the expression sets stays as it is: `ldam(scale=20)` has no range for its scale.
    Raises `StrategyError` for a range of an unknown parameter, or one that does not contain the parameter's default;
    a default of None, which a rule fills in, may be outside.
    """
    found: dict[str, Range] = {}
    for part in strategy.parts():
        defaults = {field.name: field.default for field in dataclasses.fields(part)}
        for name, values in part.space().items():
            if name not in defaults:
                raise StrategyError(f"{part.name}: its space names {name!r}, which is none of its parameters.")
            if defaults[name] is not None and defaults[name] not in values:
                raise StrategyError(f"{part.name}: the default {name}={defaults[name]} is not in its range {values}.")
            if getattr(part, name) == defaults[name]:
                found[_name(strategy, part, name)] = values
    return found


def changed(strategy: Strategy, values: Mapping[str, Value]) -> Strategy:
    """Return the expression with these values of parameters, named as `searched` does.

    Raises `StrategyError` for values that a strategy refuses.
    """
    parts = []
    for part in strategy.parts():
        own = {f.name: values[n] for f in dataclasses.fields(part) if (n := _name(strategy, part, f.name)) in values}
        parts.append(dataclasses.replace(part, **own) if own else part)
    return combine(parts)


def _name(strategy: Strategy, part: Strategy, field: str) -> str:
    return field if strategy is part else f"{part.name}.{field}"
