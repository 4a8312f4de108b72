"""Clothes for the upper body and whole-body clothes: one cut, many parameters, so that neighbours overlap.

Own unit: half the shoulder width; y is 0 at the neck's side.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from benchmarks.data.drawing.marks import Look, Mark, Paint, area, between, both_sides, box, chance, line, one_of, oval

Span = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Cut:
    """How a type of garment is cut: spans and choices to draw from (repeat a choice to make it likelier).

    `length` from neck to hem; `sleeves` as shares of an arm (0 none, 0.35 short, 1 wrist); `flare` hem over chest;
    `waist` over chest; `chest` half-width.
    """

    length: Span
    sleeves: tuple[Span, ...]
    flare: Span
    waist: Span = (0.9, 1.0)
    chest: Span = (0.8, 0.95)
    necks: tuple[str, ...] = ("round",)
    fronts: tuple[str, ...] = ("plain",)
    trims: tuple[str, ...] = ("none",)


CUTS = {
    "Tshirts": Cut((2.5, 3.1), ((0.25, 0.42), (0.25, 0.42), (0.9, 1.0)), (0.95, 1.08), (0.92, 1.0), (0.8, 0.95),
                   ("round", "round", "v", "collar"), ("plain", "logo", "logo", "placket"), ("none", "none", "cuffs")),
    "Shirts": Cut((2.6, 3.3), ((0.9, 1.0), (0.9, 1.0), (0.3, 0.45)), (0.95, 1.1), (0.9, 1.0), (0.8, 0.95),
                  ("collar",), ("buttons", "buttons", "pocket"), ("none", "cuffs")),
    "Tops": Cut((2.2, 3.2), ((0.0, 0.05), (0.1, 0.35), (0.2, 0.6), (0.9, 1.0)), (0.95, 1.35), (0.78, 0.98),
                (0.72, 0.9), ("round", "v", "deep", "straps"), ("plain", "plain", "logo", "ruffle"),
                ("none", "none", "belt")),
    "Tunics": Cut((2.9, 3.9), ((0.1, 0.3), (0.4, 0.7), (0.9, 1.0)), (1.05, 1.4), (0.82, 1.0), (0.75, 0.92),
                  ("round", "v", "deep"), ("plain", "placket", "ruffle"), ("none", "belt", "border")),
    "Kurtis": Cut((3.1, 4.1), ((0.0, 0.1), (0.3, 0.5), (0.6, 0.8)), (1.05, 1.4), (0.82, 0.96), (0.75, 0.92),
                  ("round", "v", "high"), ("placket", "plain", "yoke"), ("border", "slits", "none")),
    "Kurtas": Cut((3.5, 5.0), ((0.3, 0.45), (0.6, 0.8), (0.9, 1.0)), (1.02, 1.35), (0.85, 1.0), (0.78, 0.95),
                  ("high", "high", "round", "v"), ("placket", "placket", "yoke", "plain"),
                  ("slits", "slits", "border")),
    "Dresses": Cut((3.6, 5.4), ((0.0, 0.05), (0.0, 0.05), (0.2, 0.4)), (1.2, 2.0), (0.68, 0.9), (0.7, 0.88),
                   ("round", "v", "deep", "straps"), ("plain", "plain", "ruffle"), ("belt", "none", "none")),
    "Nightdress": Cut((3.6, 5.4), ((0.0, 0.05), (0.2, 0.4)), (1.15, 1.6), (0.85, 1.0), (0.75, 0.9),
                      ("straps", "round", "deep"), ("plain", "ruffle", "logo"), ("border", "none")),
    "Camisoles": Cut((2.2, 2.9), ((0.0, 0.02),), (0.95, 1.2), (0.82, 0.95), (0.7, 0.85),
                     ("straps", "straps", "deep"), ("plain", "plain", "ruffle"), ("none", "border")),
    "Sweatshirts": Cut((2.5, 3.0), ((0.92, 1.02),), (0.9, 1.0), (0.94, 1.02), (0.88, 1.02),
                       ("hood", "round", "high"), ("plain", "logo", "zip", "pouch"), ("cuffs",)),
    "Sweaters": Cut((2.5, 3.0), ((0.92, 1.02), (0.92, 1.02), (0.0, 0.05)), (0.9, 1.02), (0.9, 1.0), (0.85, 0.98),
                    ("v", "v", "round", "high"), ("plain", "knit", "buttons"), ("cuffs",)),
    "Jackets": Cut((2.4, 3.1), ((0.92, 1.02),), (0.9, 1.05), (0.9, 1.0), (0.88, 1.02),
                   ("high", "collar", "hood"), ("zip", "zip", "buttons"), ("cuffs", "none")),
}  # fmt: skip


def upper(cut: Cut, look: Look, g: np.random.Generator) -> list[Mark]:
    """Draw one garment of this cut."""
    length, chest = between(g, cut.length), between(g, cut.chest)
    waist, hem = chest * between(g, cut.waist), chest * between(g, cut.flare)
    sleeve, neck = between(g, one_of(g, cut.sleeves)), one_of(g, cut.necks)
    trim, front = one_of(g, cut.trims), one_of(g, cut.fronts)
    opening = 0.34 if neck in ("round", "v", "straps", "deep") else 0.26
    shoulder = 0.62 if neck == "straps" else 0.98
    half = [
        (opening, 0.0),
        (shoulder, 0.14),
        (shoulder - 0.02, 0.4),
        (chest, 0.95),
        (waist, min(1.9, 0.62 * length)),
        ((waist + hem) / 2, 0.78 * length),
        (hem, length),
    ]
    depth = {"v": 0.75, "deep": 0.8, "straps": 0.85, "round": 0.3}.get(neck, 0.12)
    dip = [(0.0, depth)] if neck == "v" else [(-0.2, depth), (0.2, depth)]
    marks = _model(look, length, g) if look.worn else []
    marks += _sleeves(sleeve, chest, look, trim, between(g, (0.15, 0.75)))
    marks.append(area([*both_sides(half), *dip], look.cloth))
    marks += _folds(length, chest, look, g)
    marks += _neck(neck, opening, depth, look) + _front(front, length, chest, depth, look, g)
    return marks + _trim(trim, length, waist, hem, look)


def _model(look: Look, length: float, g: np.random.Generator) -> list[Mark]:
    """Draw the wearer behind the garment: head, neck, arms and legs, which do not decide the frame."""
    skin, hair = look.skin, Paint(one_of(g, ((40, 28, 22), (90, 60, 40), (25, 25, 30))))
    legs = [
        area(
            [(s * 0.12, length - 0.3), (s * 0.75, length - 0.3), (s * 0.55, 7.0), (s * 0.2, 7.0)],
            skin if chance(g, 0.4) else Paint((62, 68, 90)),
            framed=False,
        )
        for s in (-1, 1)
    ]
    arms = [line([(s * 0.95, 0.3), (s * 1.3, 1.7), (s * 1.2, 3.0)], skin, 0.34) for s in (-1, 1)]
    head = [oval(0, -0.85, 0.52, 0.68, hair, framed=False), oval(0, -0.75, 0.4, 0.55, skin, framed=False)]
    return [*legs, *arms, *head, line([(0, -0.4), (0, 0.5)], skin, 0.5)]


def _sleeves(share: float, chest: float, look: Look, trim: str, spread: float) -> list[Mark]:
    """Draw both sleeves, `share` of an arm long, hanging at a slope of `spread`."""
    if share < 0.08:
        return []
    reach, width = 0.55 + 2.1 * share, 0.46 - 0.18 * share
    marks = []
    for s in (-1, 1):
        end_x, end_y = 0.95 + reach * spread * 0.75, 0.14 + reach
        marks.append(
            area(
                [
                    (s * 0.92, 0.1),
                    (s * (end_x + width / 2), end_y - 0.1 * spread),
                    (s * (end_x - width / 2), end_y + 0.2 * spread),
                    (s * chest * 0.96, 1.0),
                ],
                look.cloth,
            )
        )
        if trim == "cuffs":
            marks.append(
                line(
                    [(s * (end_x + width / 2), end_y - 0.2), (s * (end_x - width / 2), end_y)],
                    look.accent if share < 0.5 else look.dark,
                    0.16,
                )
            )
    return marks


def _folds(length: float, chest: float, look: Look, g: np.random.Generator) -> list[Mark]:
    """Draw a few creases."""
    marks = []
    for _ in range(int(between(g, (1, 4)))):
        x, y = between(g, (-0.8, 0.8)) * chest, between(g, (0.4, 0.7)) * length
        slant = between(g, (-0.3, 0.3))
        marks.append(line([(x, y), (x + slant, y + 0.25 * length)], look.dark, 0.05))
    return marks


def _neck(neck: str, opening: float, depth: float, look: Look) -> list[Mark]:
    """Draw the collar, the hood or the neck's band."""
    if neck == "collar":
        return [area([(s * opening, -0.08), (s * 0.55, 0.3), (s * 0.06, 0.42), (0, 0.1)], look.cloth) for s in (-1, 1)]
    if neck == "hood":
        hood = area([(-0.5, 0.25), (-0.55, -0.45), (0, -0.8), (0.55, -0.45), (0.5, 0.25), (0, 0.55)], look.cloth, 1)
        strings = [line([(s * 0.15, 0.5), (s * 0.18, 1.1)], look.light, 0.07) for s in (-1, 1)]
        return [hood, area([(-0.3, 0.2), (-0.32, -0.3), (0.32, -0.3), (0.3, 0.2), (0, 0.4)], look.dark, 1), *strings]
    if neck == "high":
        return [box(-opening, -0.2, 2 * opening, 0.32, look.cloth), line([(0, -0.2), (0, 0.3)], look.dark, 0.06)]
    middle = [(0.0, depth)] if neck == "v" else [(-0.2, depth), (0.2, depth)]
    return [line([(-opening, 0.0), *middle, (opening, 0.0)], look.dark, 0.09)]


def _front(front: str, length: float, chest: float, depth: float, look: Look, g: np.random.Generator) -> list[Mark]:
    """Draw what is on the garment's front: a print, buttons, a zip, a pocket, a yoke, ruffles, a knit."""
    if front == "logo":
        size, y = between(g, (0.15, 0.5)), between(g, (0.9, 1.5))
        shapes = (
            oval(0, y, size, size * 0.8, look.accent),
            box(-size, y - 0.2, 2 * size, 0.4, look.accent),
            area([(-size, y), (0, y - size), (size, y), (0, y + size)], look.accent),
        )
        return [one_of(g, shapes)]
    if front in ("buttons", "pocket", "placket"):
        end = depth + 1.0 if front == "placket" else length
        marks = [line([(0, depth), (0, end)], look.dark, 0.06)]
        marks += [oval(0.06, depth + 0.3 + 0.4 * k, 0.05, 0.05, look.light) for k in range(int((end - depth) / 0.4))]
        return [*marks, box(0.25, 1.0, 0.38, 0.4, look.cloth)] if front == "pocket" else marks
    if front == "zip":
        return [
            line([(0, depth - 0.1), (0, length)], look.light, 0.1),
            *(line([(s * 0.3, 1.7), (s * 0.5, 2.2)], look.dark, 0.07) for s in (-1, 1)),
        ]
    if front == "yoke":
        return [
            area([(-0.3, depth), (0.3, depth), (0.2, depth + 0.9), (0, depth + 1.1), (-0.2, depth + 0.9)], look.accent)
        ]
    if front == "pouch":
        return [area([(-0.4, 1.6), (0.4, 1.6), (0.6, 2.2), (-0.6, 2.2)], look.dark)]
    if front == "ruffle":
        return [
            line([(-chest * 0.8, y), (-0.2, y + 0.12), (0.2, y - 0.02), (chest * 0.8, y + 0.1)], look.light, 0.08, 1)
            for y in (0.75, 1.1)
        ]
    if front == "knit":
        return [line([(-chest * 0.9, y), (chest * 0.9, y)], look.dark, 0.06) for y in np.arange(0.9, length, 0.3)]
    return []


def _trim(trim: str, length: float, waist: float, hem: float, look: Look) -> list[Mark]:
    """Draw the hem's band, border or slits, or a belt."""
    if trim == "cuffs":
        return [
            area([(-hem, length - 0.2), (hem, length - 0.2), (hem * 0.94, length), (-hem * 0.94, length)], look.dark)
        ]
    if trim == "border":
        return [line([(-hem, length - 0.12), (hem, length - 0.12)], look.accent, 0.2)]
    if trim == "slits":
        return [line([(s * hem * 0.86, length), (s * hem * 0.8, length * 0.72)], look.dark, 0.09) for s in (-1, 1)]
    if trim == "belt":
        y = min(1.9, 0.62 * length)
        return [line([(-waist, y), (waist, y)], look.accent, 0.18)]
    return []
