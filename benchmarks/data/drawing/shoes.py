"""Footwear seen from the side, or from above. Own unit: a third of the shoe's length; heel at x = 0, toe at x = 3.

y is 0 on the floor and grows downward, so the shoe is above it, at negative y.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from benchmarks.data.drawing.marks import Look, Mark, Paint, area, between, chance, line, moved, one_of, oval

Span = tuple[float, float]
_WHITE, _GUM, _BLACK = Paint((238, 238, 236)), Paint((176, 128, 84)), Paint((38, 36, 38))
_LEATHERS = ((32, 28, 28), (62, 40, 28), (96, 60, 36), (120, 76, 44), (50, 30, 30))


@dataclasses.dataclass(frozen=True)
class Shoe:
    """How a closed shoe is built: sole, collar, toe and heel spans, and its details to draw from."""

    sole: Span
    collar: Span
    toe: Span
    heel: Span = (0.0, 0.1)
    details: tuple[str, ...] = ("plain",)
    leather: float = 0.1


SHOES = {
    "Casual Shoes": Shoe((0.14, 0.32), (0.95, 1.5), (0.5, 0.72), (0, 0.12), ("laces", "laces", "plain", "seam"), 0.35),
    "Sports Shoes": Shoe((0.26, 0.46), (1.0, 1.45), (0.48, 0.66), (0, 0.16), ("swoosh", "swoosh", "laces"), 0.05),
    "Formal Shoes": Shoe((0.08, 0.18), (0.9, 1.25), (0.36, 0.56), (0.1, 0.28), ("laces", "cap", "plain", "seam"), 0.95),
    "Flats": Shoe((0.05, 0.14), (0.5, 0.8), (0.32, 0.5), (0, 0.14), ("bow", "plain", "seam"), 0.15),
    "Heels": Shoe((0.06, 0.16), (0.5, 0.95), (0.3, 0.48), (0.4, 1.9), ("bow", "plain", "strap"), 0.2),
}


def shoe(kind: Shoe, look: Look, g: np.random.Generator) -> list[Mark]:
    """Draw a closed shoe, alone or as a pair."""
    sole, collar, toe, heel = (between(g, s) for s in (kind.sole, kind.collar, kind.toe, kind.heel))
    upper = Paint(one_of(g, _LEATHERS)) if chance(g, kind.leather) else look.cloth
    low = kind.collar[1] < 1.0
    opening = [(0.5, -collar * 0.55), (1.9, -toe * 0.95)] if low else [(0.9, -collar * 0.85), (1.35, -collar * 1.02)]
    lift_K = np.array([heel, heel, heel, heel * 0.9 if low else heel * 0.6, heel * 0.4, 0, 0, 0])
    body = np.array(
        [
            (0.05, -sole),
            (0.0, -collar * 0.7),
            (0.15, -collar),
            *opening,
            (2.45, -toe - 0.06),
            (2.95, -toe * 0.6),
            (3.0, -sole),
        ]
    )
    body[:, 1] -= lift_K
    marks = _sole(sole, heel, _sole_paint(look, upper, sole, g), g)
    marks.append(area(np.concatenate([body[:3], body[3:]]), upper, 1))
    if not low:
        marks.append(area([(0.2, -collar - heel), (0.9, -collar * 0.85 - heel), (1.25, -collar - heel)], _BLACK))
    marks += _details(one_of(g, kind.details), collar + heel * 0.6, toe, upper, look, g)
    return _single_or_pair(marks, g)


def _sole_paint(look: Look, upper: Paint, sole: float, g: np.random.Generator) -> Paint:
    """Return the sole's colour: dark under thin soles, light, gum or bright under thick ones."""
    if sole < 0.16:
        return one_of(g, (_BLACK, upper.shade(0.5), _GUM))
    return one_of(g, (_WHITE, _WHITE, _GUM, look.accent, _BLACK))


def _sole(sole: float, heel: float, paint: Paint, g: np.random.Generator) -> list[Mark]:
    """Draw the sole, and under a raised heel the heel itself."""
    if heel < 0.2:
        step = max(heel, 0.0)
        return [
            area(
                [
                    (0, 0),
                    (0, -sole - step),
                    (1.3, -sole - step * 0.6),
                    (3.05, -sole),
                    (3.0, 0),
                    (1.3, 0),
                    (1.2, -step * 0.8),
                    (0.9, 0),
                ],
                paint,
            )
        ]
    width = between(g, (0.12, 0.75))
    arch = area(
        [(0, -heel - sole), (0, -heel), (0.9, -heel * 0.75), (1.9, 0), (3.0, 0), (3.05, -sole), (1.9, -sole)], paint
    )
    return [area([(0.02, -heel), (width + 0.25, -heel * 0.9), (width, 0), (0.06, 0)], paint), arch]


def _details(detail: str, collar: float, toe: float, upper: Paint, look: Look, g: np.random.Generator) -> list[Mark]:
    """Draw laces, stripes, a toe cap, a bow or a strap."""
    dark = upper.shade(0.6)
    slope = (collar - toe) / 1.3
    if detail in ("laces", "swoosh"):
        lace = one_of(g, (_WHITE, upper.shade(1.5), dark))
        marks = [
            line(
                [
                    (1.3 + 0.25 * k, -collar + slope * 0.25 * k + 0.04),
                    (1.15 + 0.25 * k, -collar + slope * 0.25 * k + 0.3),
                ],
                lace,
                0.09,
            )
            for k in range(4)
        ]
        if detail == "swoosh":
            accent = one_of(g, (look.accent, _WHITE))
            marks += [
                line([(0.7 + 0.22 * k, -0.4), (1.1 + 0.2 * k, -0.85)], accent, 0.12)
                for k in range(int(between(g, (1, 4))))
            ]
            marks.append(line([(2.2, -0.4), (2.6, -0.62), (2.95, -0.42)], accent, 0.1))
        return marks
    if detail == "cap":
        return [line([(2.35, -0.2), (2.3, -toe - 0.02)], dark, 0.07), line([(1.0, -0.3), (1.2, -0.9)], dark, 0.06)]
    if detail == "seam":
        return [line([(1.2, -0.3), (1.9, -toe * 0.8), (2.8, -toe * 0.55)], dark, 0.07, 1)]
    if detail == "bow":
        return [oval(2.25 + d, -toe, 0.16, 0.12, look.accent) for d in (-0.13, 0.13)]
    if detail == "strap":
        return [line([(0.2, -collar - 0.25), (0.9, -collar - 0.2), (0.95, -collar * 0.8)], upper, 0.12)]
    return [line([(2.0, -toe - 0.02), (2.6, -toe * 0.8)], upper.shade(1.5), 0.07)]


def sandal(look: Look, g: np.random.Generator) -> list[Mark]:
    """Draw an open sandal: a foot-bed, one to three bands across the toes, mostly a strap around the ankle."""
    sole, heel, strap = between(g, (0.12, 0.45)), max(0.0, between(g, (-0.5, 0.6))), between(g, (0.12, 0.32))
    band = Paint(look.cloth.rgb) if chance(g, 0.5) else Paint(one_of(g, _LEATHERS))
    marks = _sole(sole, heel, one_of(g, (_GUM, _BLACK, band.shade(0.6))), g)
    bed = -sole - heel  # the foot-bed's height at the heel; at the toes it is -sole
    first = between(g, (1.4, 1.8))
    for k in range(int(between(g, (1, 4)))):
        marks.append(_strap(first + k * (strap + 0.12), -sole - 0.02, strap, between(g, (0.3, 0.55)), band))
    if chance(g, 0.75):
        rise = between(g, (0.5, 0.85))
        marks.append(area([(0.05, bed), (0.1, bed - rise), (0.1 + strap, bed - rise), (0.15 + strap, bed)], band))
        ankle = [(0.15, bed - rise * 0.85), (0.8, bed - rise), (1.25, -sole - heel * 0.5)]
        marks += [line(ankle, band, strap * 0.8, 1), oval(0.8, bed - rise * 0.95, 0.1, 0.1, look.accent)]
        if chance(g, 0.35):
            marks.append(line([(0.8, bed - rise), (first + 0.3, -sole - 0.4)], band, strap * 0.8))
    return _single_or_pair(marks, g)


def _strap(x: float, y: float, width: float, rise: float, paint: Paint) -> Mark:
    """Draw a band across the toes, as it arches from the sole's near side."""
    return area([(x, y), (x + 0.1, y - rise), (x + 0.22 + width, y - rise * 0.8), (x + 0.12 + width, y)], paint, 1)


def flip_flops(look: Look, g: np.random.Generator) -> list[Mark]:
    """Draw flip flops: a foot-bed from above with a forked strap, or a thin sole with one arch from the side."""
    strap = look.accent if chance(g, 0.6) else look.dark
    if chance(g, 0.35):
        sole = between(g, (0.14, 0.34))
        arch = line([(1.1, -sole), (1.7, -sole - 0.6), (2.4, -sole)], strap, 0.2, 1, framed=True)
        return _single_or_pair([*_sole(sole, 0.0, Paint(look.cloth.rgb), g), arch], g)
    width = between(g, (0.42, 0.56))
    bed = area(
        [
            (0, 0),
            (width, 0.3),
            (width * 1.15, 1.0),
            (width * 0.8, 1.9),
            (width * 0.8, 2.6),
            (0.25, 3.0),
            (-0.25, 3.0),
            (-width * 0.75, 2.6),
            (-width * 0.7, 1.9),
            (-width * 0.95, 1.0),
            (-width * 0.7, 0.3),
        ],
        look.cloth,
        1,
    )
    fork = [line([(0, 0.6), (s * width * 0.95, 1.6)], strap, 0.14, 0) for s in (-1, 1)]
    one = [bed, *fork, oval(0, 0.6, 0.08, 0.08, strap)]
    return [*one, *moved(one, 2.3 * width, between(g, (-0.3, 0.3)))] if chance(g, 0.8) else one


def _single_or_pair(marks: list[Mark], g: np.random.Generator) -> list[Mark]:
    """Return the shoe alone, or with the second one behind it."""
    if chance(g, 0.55):
        return marks
    return [*moved(marks, between(g, (-0.6, 0.7)), between(g, (-1.1, -0.5)), between(g, (0.85, 1.0))), *marks]
