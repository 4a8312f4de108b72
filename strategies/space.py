"""Ranges of parameters that a search may try: `Real`, `Integer`, `Choice`, by field name in `Strategy.space`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TypeAlias

DIGITS = 3  # significant digits of a real value: finer steps are noise, and the text stays short

Value: TypeAlias = float | int | str | bool


@dataclasses.dataclass(frozen=True)
class Real:
    """Numbers from `low` to `high`, both included; `log`: uniform in the logarithm, which requires low > 0."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        """Refuse an empty range."""
        _check(self.low, self.high, self.log)

    def at(self, fraction: float) -> float:
        """Return the value at a fraction in [0, 1) of the range, to `DIGITS` significant digits."""
        value = float(f"{_between(self.low, self.high, fraction, self.log):.{DIGITS}g}")
        return min(max(value, self.low), self.high)

    def __contains__(self, value: object) -> bool:
        """Whether the value is a number in the range."""
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high


@dataclasses.dataclass(frozen=True)
class Integer:
    """Whole numbers from `low` to `high`, both included; `log` as for `Real`."""

    low: int
    high: int
    log: bool = False

    def __post_init__(self) -> None:
        """Refuse an empty range."""
        _check(self.low, self.high, self.log)

    def at(self, fraction: float) -> int:
        """Return the value at a fraction in [0, 1) of the range."""
        return min(self.high, math.floor(_between(self.low, self.high + 1, fraction, self.log)))

    def __contains__(self, value: object) -> bool:
        """Whether the value is a whole number in the range."""
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of several values, all equally likely."""

    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        """Refuse fewer than two values."""
        if len(set(self.values)) < 2:
            raise ValueError(f"a choice needs at least two values, got {self.values}")

    def at(self, fraction: float) -> Value:
        """Return the value at a fraction in [0, 1)."""
        return self.values[int(fraction * len(self.values))]

    def __contains__(self, value: object) -> bool:
        """Whether the value is one of these."""
        return value in self.values


Range: TypeAlias = Real | Integer | Choice
Space: TypeAlias = Mapping[str, Range]


def _check(low: float, high: float, log: bool) -> None:
    """Raise ValueError unless low < high, both finite, and low > 0 on a logarithmic scale."""
    if not -math.inf < low < high < math.inf or (log and low <= 0):
        raise ValueError(f"a range needs finite low < high{', and low > 0 with log' if log else ''}; got {low}, {high}")


def _between(low: float, high: float, fraction: float, log: bool) -> float:
    """Return the value at a fraction of the way from low to high."""
    return low * (high / low) ** fraction if log else low + (high - low) * fraction
