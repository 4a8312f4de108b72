"""Clothes for the lower body, briefs and socks. Own unit: half the waist's width; y is 0 at the waist."""

from __future__ import annotations

import dataclasses

import numpy as np

from benchmarks.data.drawing.marks import Look, Mark, Paint, area, between, both_sides, box, chance, line, one_of, oval

Span = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Legs:
    """How trousers are cut: spans for length, hem width and hips, the details to draw from, and the colours' kind."""

    length: Span
    hem: Span
    hips: Span = (1.08, 1.25)
    details: tuple[str, ...] = ("plain",)
    denim: float = 0.0


LEGS = {
    "Jeans": Legs((5.0, 6.2), (0.34, 0.62), details=("pockets",), denim=0.85),
    "Trousers": Legs((5.0, 6.2), (0.4, 0.66), details=("crease", "crease", "pockets")),
    "Track Pants": Legs((4.9, 6.0), (0.42, 0.68), details=("side-stripe", "string", "string")),
    "Lounge Pants": Legs((4.8, 6.1), (0.44, 0.7), details=("string", "string", "plain")),
    "Leggings": Legs((4.6, 6.0), (0.24, 0.38), (1.0, 1.12), ("plain", "plain", "string")),
    "Capris": Legs((3.6, 4.8), (0.36, 0.66), details=("pockets", "string", "plain"), denim=0.25),
    "Shorts": Legs((2.2, 3.7), (0.55, 0.85), details=("pockets", "string", "side-stripe", "cargo"), denim=0.2),
}


def lower(legs: Legs, look: Look, g: np.random.Generator) -> list[Mark]:
    """Draw one pair of trousers of this cut."""
    length, hem, hips = between(g, legs.length), between(g, legs.hem), between(g, legs.hips)
    detail, stance = one_of(g, legs.details), between(g, (0.0, 0.35))
    cloth, dark = look.cloth, look.dark
    if chance(g, legs.denim):
        cloth = Paint(one_of(g, ((52, 72, 112), (84, 112, 152), (34, 42, 66), (120, 146, 180), (60, 62, 70))))
        dark = cloth.shade(0.6)
    crotch, outer = 1.75, 0.5 + stance
    marks = _wearer(look, length, outer) if look.worn else []
    for s in (-1, 1):
        marks.append(
            area(
                [
                    (0, 0),
                    (s, 0),
                    (s * hips, 1.1),
                    (s * (outer + hem), length),
                    (s * (outer - hem * 0.35), length),
                    (s * 0.06, crotch),
                ],
                cloth,
            )
        )
    marks += [box(-1, -0.06, 2, 0.3, cloth), line([(0, 0.1), (0, crotch * 0.8)], dark, 0.07)]
    for s in (-1, 1):
        marks += _detail(detail, s, length, outer, hem, hips, look, dark)
    return [*marks, line([(0.1, crotch), (0.5, crotch + 0.4)], dark, 0.05)]


def _wearer(look: Look, length: float, outer: float) -> list[Mark]:
    """Draw the wearer's middle, legs and shoes behind the garment; none of it decides the frame."""
    shoe = Paint((50, 45, 45))
    legs = [line([(s * (outer + 0.15), length - 0.4), (s * (outer + 0.15), 6.4)], look.skin, 0.4) for s in (-1, 1)]
    shoes = [oval(s * (outer + 0.3), 6.5, 0.45, 0.22, shoe, framed=False) for s in (-1, 1)]
    top = area([(-0.95, 0.3), (0.95, 0.3), (1.1, -2.5), (-1.1, -2.5)], look.accent, framed=False)
    return [*legs, *shoes, top]


def _detail(
    detail: str, s: int, length: float, outer: float, hem: float, hips: float, look: Look, dark: Paint
) -> list[Mark]:
    """Draw one side's pocket, crease, stripe or drawstring."""
    if detail == "pockets":
        return [line([(s * 0.45, 0.25), (s * 0.6, 0.6), (s * 1.05, 0.75)], dark, 0.07)]
    if detail == "crease":
        return [line([(s * 0.5, 0.3), (s * (outer + 0.3 * hem), length)], dark, 0.06)]
    if detail == "side-stripe":
        return [line([(s * 0.95, 0.3), (s * (hips - 0.06), 1.1), (s * (outer + hem - 0.1), length)], look.light, 0.14)]
    if detail == "string":
        return [line([(s * 0.05, 0.15), (s * 0.18, 0.8)], look.light, 0.08)]
    if detail == "cargo":
        return [box(s * 0.85 - 0.2, length * 0.6, 0.45, 0.5, dark)]
    return []


def skirt(look: Look, g: np.random.Generator) -> list[Mark]:
    """Draw a skirt, from mini to ankle, straight to flared."""
    length, hem, hips = between(g, (1.8, 4.6)), between(g, (1.05, 2.2)), between(g, (1.1, 1.3))
    marks = _wearer(look, length, 0.3) if look.worn else []
    marks.append(
        area(
            both_sides([(1, 0), (max(hips, 0.7 * hem), 0.5 * length), (hem, length), (0.4 * hem, length + 0.12)]),
            look.cloth,
        )
    )
    marks += [
        line([(k * 0.4, 0.3), (k * 0.4 * hem, length)], look.dark, 0.05) for k in (-2, -1, 1, 2) if chance(g, 0.6)
    ]
    return [*marks, box(-1, -0.05, 2, 0.28, look.cloth if chance(g, 0.5) else look.accent)]


def briefs(look: Look, g: np.random.Generator) -> list[Mark]:
    """Draw briefs, from high-cut to short trunks."""
    length, leg = between(g, (1.2, 1.9)), between(g, (0.25, 0.95))
    marks = [area([(-0.9, 0.2), (0.9, 0.2), (0.95, 4.0), (-0.95, 4.0)], look.skin, framed=False)] if look.worn else []
    marks.append(area(both_sides([(1, 0), (1.05, length * leg), (0.35, length * 0.9), (0.25, length)]), look.cloth))
    marks.append(line([(-1, 0.1), (1, 0.1)], look.accent if chance(g, 0.6) else look.dark, 0.22))
    curve = [(0.25, 0.2), (0.35, 0.6 * length), (0.0, length * 0.95)]
    return [*marks, line(curve, look.dark, 0.06, 1), *([line([(-x, y) for x, y in curve], look.dark, 0.06, 1)])]


def socks(look: Look, g: np.random.Generator) -> list[Mark]:
    """Draw one sock or a pair, ankle to knee."""
    height, marks = between(g, (0.7, 3.2)), []
    for dx in (0.0, between(g, (0.5, 1.4)))[: 2 if chance(g, 0.75) else 1]:
        leg = area(
            [
                (dx, 0),
                (dx + 0.9, 0),
                (dx + 0.95, height),
                (dx + 1.7, height + 0.6),
                (dx + 1.9, height + 1.1),
                (dx + 1.2, height + 1.2),
                (dx + 0.2, height + 0.8),
                (dx + 0.02, height),
            ],
            look.cloth,
            1,
        )
        tip = area(
            [(dx + 1.4, height + 0.5), (dx + 1.75, height + 0.7), (dx + 1.85, height + 1.1), (dx + 1.3, height + 1.15)],
            look.accent,
            1,
        )
        marks += [leg, tip, line([(dx + 0.05, 0.15), (dx + 0.85, 0.15)], look.accent, 0.2)]
        marks.append(line([(dx + 0.1, height + 0.5), (dx + 0.6, height + 0.75)], look.dark, 0.3))
    return marks
