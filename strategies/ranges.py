"""Which values a strategy's parameters may have: the ranges that classes declare, and the choices of a `Literal`."""

from __future__ import annotations

import dataclasses
import functools
import math
import numbers
import re
from typing import Any, Literal, get_args, get_origin, get_type_hints

_BOUNDS = re.compile(r"([\[(])(-?[\d.]+|-inf), (-?[\d.]+|inf)([\])])")


@dataclasses.dataclass(frozen=True)
class Interval:
    """The finite numbers between two bounds; `closed`: whether each bound is one of them. `str` says it in words."""

    text: str
    low: float
    high: float
    closed: tuple[bool, bool]

    def __contains__(self, value: object) -> bool:
        """Whether the value is a number in the interval; NaN and infinities never are."""
        number: Any = value if isinstance(value, numbers.Real) else math.nan
        inside = self.low < number < self.high
        return inside or (number == self.low and self.closed[0]) or (number == self.high and self.closed[1])

    def __str__(self) -> str:
        """Return what a value must be, such as `at least 0 and finite`."""
        if self.high < math.inf:
            return f"in {self.text}"
        if self.low == 0 and not self.closed[0]:
            return "positive and finite"
        bound = f"{'at least' if self.closed[0] else 'above'} {self.low:g} and "
        return f"{bound if self.low > -math.inf else ''}finite"


@dataclasses.dataclass(frozen=True)
class OneOf:
    """The values of a `Literal`."""

    values: tuple[Any, ...]

    def __contains__(self, value: object) -> bool:
        """Whether the value is one of them."""
        return value in self.values

    def __str__(self) -> str:
        """Return the values, joined by `or`."""
        return " or ".join(map(str, self.values))


def interval(text: str) -> Interval:
    """Read `[0, 1)`: a bound in brackets is allowed, one in parentheses is not. Raises ValueError for other text."""
    match = _BOUNDS.fullmatch(text)
    low, high = (float(match[2]), float(match[3])) if match else (0.0, 0.0)
    closed = text.startswith("["), text.endswith("]")
    if low >= high or (low == -math.inf and closed[0]) or (high == math.inf and closed[1]):
        raise ValueError(f"{text!r} is not a range; write one such as '[0, 1)' or '(0, inf)'")
    return Interval(text, low, high, closed)


def intervals(cls: type[Any]) -> dict[str, Interval]:
    """Return the interval of each parameter for which a class or its bases declare one in `ranges`.

    Raises ValueError for text that is not a range and for a name that is not a parameter.
    """
    declared: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        declared |= vars(base).get("ranges", {})
    unknown = declared.keys() - {field.name for field in dataclasses.fields(cls)}
    if unknown:
        raise ValueError(f"{cls.name}: ranges names {min(unknown)!r}, which is not one of its parameters")
    return {field: interval(text) for field, text in declared.items()}


@functools.cache
def _allowed(cls: type[Any]) -> dict[str, Interval | OneOf]:
    """Return the allowed values of each parameter that has a range or is a `Literal`."""
    try:
        hints = get_type_hints(cls)
    except Exception:  # a plugin's annotation does not resolve: an error only where text is read
        hints = {}
    literals = {field.name: hints.get(field.name) for field in dataclasses.fields(cls)}
    choices = {name: OneOf(get_args(hint)) for name, hint in literals.items() if get_origin(hint) is Literal}
    return {**choices, **intervals(cls)}


def problem(strategy: Any) -> str:
    """Return a sentence on the first parameter of a strategy whose value is not allowed, "" if there is none.

    None is allowed where it is the default: a rule of the strategy then gives the value.
    """
    cls: type = type(strategy)
    for name, allowed in _allowed(cls).items():
        value = getattr(strategy, name)
        by_rule = value is None and getattr(cls, name, ...) is None
        if value not in allowed and not by_rule:
            return f"{strategy.name}: {name.replace('_', '-')} must be {allowed}, got {value!r}."
    return ""
