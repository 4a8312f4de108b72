"""Vector marks that an article is drawn from, in the article's own units (x to the right, y down).

K points per mark. Only additions, products and one fixed unit circle, so that every machine draws the same points.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

RGB = tuple[int, int, int]
Points = Sequence[tuple[float, float]]
T = TypeVar("T")

_CIRCLE_K2 = np.round([(math.cos(k * math.pi / 12), math.sin(k * math.pi / 12)) for k in range(24)], 6)


@dataclasses.dataclass(frozen=True)
class Paint:
    """A colour with a pattern in a second colour.

    `pattern` is one of "plain", "stripes", "checks", "dots", "floral"; `period` in pixels of the drawing canvas;
    `angle` is the stripes' slope (0 for vertical stripes); `phase` in pixels.
    """

    rgb: RGB
    pattern: str = "plain"
    second: RGB = (255, 255, 255)
    period: float = 12.0
    angle: float = 0.0
    phase: int = 0

    def shade(self, factor: float) -> Paint:
        """Return a plain paint of this colour, darker (factor < 1) or lighter (factor > 1, toward white)."""
        return Paint(shade(self.rgb, factor))


@dataclasses.dataclass(frozen=True)
class Look:
    """The look of one product: its cloth, a contrasting plain paint, the model's skin, and whether it is worn."""

    cloth: Paint
    accent: Paint
    skin: Paint
    worn: bool = False

    @property
    def dark(self) -> Paint:
        """A darker plain shade of the cloth, for seams and folds."""
        return self.cloth.shade(0.62)

    @property
    def light(self) -> Paint:
        """A lighter plain shade of the cloth, for highlights."""
        return self.cloth.shade(1.45)


@dataclasses.dataclass(frozen=True)
class Mark:
    """A filled polygon (`width` 0) or a line of `width` (own units); `framed` marks decide what fills the picture."""

    points_K2: np.ndarray
    paint: Paint
    width: float = 0.0
    framed: bool = True


def shade(rgb: RGB, factor: float) -> RGB:
    """Return the colour scaled toward black (factor < 1) or moved toward white (factor > 1)."""
    if factor <= 1:
        return tuple(int(c * factor) for c in rgb)  # type: ignore[return-value]
    return tuple(int(c + (255 - c) * min(factor - 1, 1.0)) for c in rgb)  # type: ignore[return-value]


def area(points: Points | np.ndarray, paint: Paint, soft: int = 0, framed: bool = True) -> Mark:
    """Return a filled polygon, its corners cut `soft` times (0 keeps them sharp)."""
    return Mark(smooth(points, soft), paint, framed=framed)


def line(points: Points | np.ndarray, paint: Paint, width: float = 0.05, soft: int = 0, framed: bool = False) -> Mark:
    """Return an open line of `width`, its corners cut `soft` times; a thin detail, so it does not decide the frame."""
    return Mark(smooth(points, soft, closed=False), paint, width=width, framed=framed)


def oval(x: float, y: float, rx: float, ry: float, paint: Paint, framed: bool = True) -> Mark:
    """Return a filled ellipse around (x, y) with the half-axes rx and ry."""
    return Mark(_CIRCLE_K2 * (rx, ry) + (x, y), paint, framed=framed)


def ring(x: float, y: float, rx: float, ry: float, paint: Paint, width: float) -> Mark:
    """Return an ellipse's outline of the given width; it counts for the frame, unlike other lines."""
    points_K2 = _CIRCLE_K2 * (rx, ry) + (x, y)
    return Mark(np.concatenate([points_K2, points_K2[:1]]), paint, width=width)


def box(x: float, y: float, width: float, height: float, paint: Paint, soft: int = 0) -> Mark:
    """Return a filled rectangle with its upper left corner at (x, y)."""
    return area([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], paint, soft)


def both_sides(half: Points) -> list[tuple[float, float]]:
    """Return the closed outline whose right half is given from top to bottom."""
    return [*half, *((-x, y) for x, y in reversed(half))]


def smooth(points: Points | np.ndarray, rounds: int, closed: bool = True) -> np.ndarray:
    """Return float64 [K, 2]: the polygon with its corners cut `rounds` times (Chaikin's scheme)."""
    points_K2 = np.asarray(points, dtype=np.float64)
    for _ in range(rounds):
        after_K2 = np.concatenate([points_K2[1:], points_K2[:1]]) if closed else points_K2[1:]
        before_K2 = points_K2 if closed else points_K2[:-1]
        cut_K2 = np.empty((2 * len(before_K2), 2))
        cut_K2[0::2] = 0.75 * before_K2 + 0.25 * after_K2
        cut_K2[1::2] = 0.25 * before_K2 + 0.75 * after_K2
        points_K2 = cut_K2 if closed else np.concatenate([points_K2[:1], cut_K2, points_K2[-1:]])
    return points_K2


def moved(marks: Sequence[Mark], dx: float, dy: float, scale: float = 1.0) -> list[Mark]:
    """Return the marks scaled around the origin, then shifted."""
    return [dataclasses.replace(m, points_K2=m.points_K2 * scale + (dx, dy), width=m.width * scale) for m in marks]


def between(g: np.random.Generator, span: tuple[float, float]) -> float:
    """Draw uniformly from a span."""
    return span[0] + (span[1] - span[0]) * float(g.random())


def one_of(g: np.random.Generator, choices: Sequence[T]) -> T:
    """Draw one of the choices, each as likely."""
    return choices[int(g.random() * len(choices))]


def chance(g: np.random.Generator, probability: float) -> bool:
    """Draw True with the given probability."""
    return float(g.random()) < probability
