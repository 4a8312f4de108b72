"""Bags, wallets and packs. Own unit: about half a bag's height; the body's centre is the origin."""

from __future__ import annotations

import numpy as np

from benchmarks.data.drawing.marks import Look, Mark, Paint, area, between, both_sides, box, chance, line, one_of, oval
from benchmarks.data.drawing.marks import ring as ring_mark

_METAL = Paint((190, 170, 110))
_SOBER = ((36, 36, 40), (60, 62, 70), (70, 48, 34), (44, 56, 88), (90, 92, 60))


def handbag(look: Look, g: np.random.Generator) -> list[Mark]:
    """Draw a handbag: a body with one or two handles, sometimes a flap, a pocket or a clasp."""
    wide, tall, taper = between(g, (0.95, 1.6)), between(g, (0.65, 1.05)), between(g, (0.72, 1.1))
    rise, spread = between(g, (0.45, 1.5)), between(g, (0.35, 0.75)) * wide
    handle = look.cloth.shade(0.7) if chance(g, 0.6) else look.accent
    arc = [
        (-spread, -tall * 0.9),
        (-spread * 0.8, -tall - rise * 0.7),
        (0, -tall - rise),
        (spread * 0.8, -tall - rise * 0.7),
        (spread, -tall * 0.9),
    ]
    marks = [line(arc, handle, 0.13, 2, framed=True)]
    body = both_sides([(wide * taper, -tall), (wide, tall * 0.4), (wide * 0.92, tall)])
    marks.append(area(body, look.cloth, one_of(g, (0, 1))))
    return marks + _front(wide * taper, wide, tall, look, g)


def _front(top: float, wide: float, tall: float, look: Look, g: np.random.Generator) -> list[Mark]:
    """Draw a bag's flap, zip, pocket, clasp or seams."""
    kind = one_of(g, ("flap", "zip", "pocket", "seams", "plain"))
    if kind == "flap":
        return [
            area([(-top, -tall), (top, -tall), (top * 0.9, 0.1), (0, 0.35), (-top * 0.9, 0.1)], look.cloth),
            oval(0, 0.2, 0.1, 0.1, _METAL),
        ]
    if kind == "zip":
        return [line([(-top * 0.9, -tall * 0.7), (top * 0.9, -tall * 0.7)], _METAL, 0.08)]
    if kind == "pocket":
        return [
            box(-wide * 0.55, -0.05, wide * 1.1, tall * 0.75, look.cloth),
            line([(-wide * 0.5, 0.1), (wide * 0.5, 0.1)], look.dark, 0.07),
        ]
    if kind == "seams":
        return [line([(s * wide * 0.5, -tall), (s * wide * 0.55, tall)], look.dark, 0.07) for s in (-1, 1)]
    return []


def clutch(look: Look, g: np.random.Generator) -> list[Mark]:
    """Draw a clutch: flat and wide, a flap or a frame with a clasp, sometimes a wrist strap."""
    wide, tall = between(g, (1.05, 1.6)), between(g, (0.5, 0.85))
    marks = [
        area(
            both_sides([(wide * between(g, (0.88, 1.02)), -tall), (wide, 0.0), (wide * 0.96, tall)]),
            look.cloth,
            one_of(g, (0, 0, 1)),
        )
    ]
    if chance(g, 0.5):
        tip = between(g, (-0.1, 0.4)) * tall
        marks.append(
            area(
                [(-wide, -tall), (wide, -tall), (wide * 0.7, tip * 0.6), (0, tip + 0.1), (-wide * 0.7, tip * 0.6)],
                look.cloth,
            )
        )
        marks.append(oval(0, tip, 0.09, 0.09, _METAL))
    else:
        marks += [
            line([(-wide * 0.97, -tall), (wide * 0.97, -tall)], _METAL, 0.14),
            oval(0, -tall - 0.06, 0.12, 0.1, _METAL),
        ]
    if chance(g, 0.3):
        marks.append(
            line(
                [(wide, -tall * 0.5), (wide * 1.15, tall), (wide * 0.8, tall * 1.8), (wide * 0.7, tall * 0.9)],
                look.dark,
                0.09,
                1,
            )
        )
    return marks


def wallet(look: Look, g: np.random.Generator) -> list[Mark]:
    """Draw a wallet, closed, long or open with cards."""
    leather = (
        Paint(one_of(g, ((46, 32, 28), (84, 54, 36), (30, 30, 34), (120, 80, 50)))) if chance(g, 0.6) else look.cloth
    )
    wide, tall = between(g, (0.85, 1.5)), between(g, (0.6, 0.95))
    marks = [box(-wide, -tall, 2 * wide, 2 * tall, leather, 0)]
    stitch, inner = leather.shade(1.35), leather.shade(0.7)
    if chance(g, 0.35):
        marks.append(box(-wide * 0.96, -tall * 1.75, 1.92 * wide, 0.85 * tall, inner))
        marks += [
            box(-wide * 0.85, -tall * (1.55 - 0.2 * k), wide * 0.75, 0.12, p)
            for k, p in enumerate((look.accent, Paint((225, 225, 225))))
        ]
    edge = [
        (-wide * 0.9, -tall * 0.85),
        (wide * 0.9, -tall * 0.85),
        (wide * 0.9, tall * 0.85),
        (-wide * 0.9, tall * 0.85),
        (-wide * 0.9, -tall * 0.85),
    ]
    marks.append(line(edge, stitch, 0.04))
    if chance(g, 0.4):
        marks += [box(wide * 0.55, -0.15, wide * 0.5, 0.3, inner), oval(wide * 0.68, 0, 0.07, 0.07, _METAL)]
    if chance(g, 0.5):
        marks.append(box(-wide * 0.7, tall * 0.4, 0.35, 0.2, _METAL if chance(g, 0.5) else inner))
    return marks


def _pack(look: Look, g: np.random.Generator, tall: float, wide: float) -> list[Mark]:
    """Draw a pack's body with its shoulder straps behind and a loop on top."""
    straps = [
        line(
            [(s * wide * 0.6, -tall * 0.8), (s * wide * 1.2, -tall * 0.1), (s * wide * 0.9, tall * 0.9)],
            look.dark,
            0.16,
            1,
        )
        for s in (-1, 1)
        if chance(g, 0.7)
    ]
    loop = line([(-0.22, -tall), (-0.15, -tall - 0.28), (0.15, -tall - 0.28), (0.22, -tall)], look.dark, 0.1)
    body = both_sides(
        [(wide * 0.45, -tall), (wide * 0.85, -tall * 0.75), (wide, 0.0), (wide * 0.97, tall * 0.9), (wide * 0.7, tall)]
    )
    return [*straps, loop, area(body, look.cloth, 1)]


def backpack(look: Look, g: np.random.Generator) -> list[Mark]:
    """Draw a backpack: rounded, with a front pocket and zips."""
    tall, wide = between(g, (1.15, 1.5)), between(g, (0.8, 1.08))
    marks, low = _pack(look, g, tall, wide), between(g, (0.0, 0.35))
    pocket = look.cloth if chance(g, 0.5) else look.accent
    marks.append(
        area(
            [(-wide * 0.7, low), (wide * 0.7, low), (wide * 0.75, tall * 0.85), (-wide * 0.75, tall * 0.85)], pocket, 1
        )
    )
    marks.append(line([(-wide * 0.7, -tall * 0.3), (0, -tall * 0.62), (wide * 0.7, -tall * 0.3)], look.dark, 0.08, 1))
    marks.append(line([(-wide * 0.6, low + 0.18), (wide * 0.6, low + 0.18)], look.dark, 0.08))
    return [*marks, box(-0.16, -tall * 0.3, 0.32, 0.2, look.accent)] if chance(g, 0.5) else marks


def rucksack(look: Look, g: np.random.Generator) -> list[Mark]:
    """Draw a rucksack: taller than a backpack, with a lid, buckled straps and side pockets."""
    tall, wide = between(g, (1.4, 1.85)), between(g, (0.72, 0.98))
    sides = [
        area(
            [
                (s * wide * 0.9, 0.2),
                (s * wide * 1.25, 0.35),
                (s * wide * 1.22, tall * 0.8),
                (s * wide * 0.9, tall * 0.85),
            ],
            look.cloth,
        )
        for s in (-1, 1)
    ]
    lid = area(
        [(-wide * 0.95, -tall * 0.95), (wide * 0.95, -tall * 0.95), (wide, -tall * 0.4), (-wide, -tall * 0.4)],
        look.accent,
        1,
    )
    belts = [line([(s * wide * 0.4, -tall * 0.4), (s * wide * 0.4, tall * 0.6)], look.dark, 0.12) for s in (-1, 1)]
    return [*sides, *_pack(look, g, tall, wide), lid, *belts]


def laptop_bag(look: Look, g: np.random.Generator, messenger: bool = False) -> list[Mark]:
    """Draw a laptop bag: flat and wide, handles, a shoulder strap, a pocket; a messenger bag mostly has a flap instead.

    Either may look like the other: a laptop bag can have a flap, a messenger bag handles.
    """
    wide, tall = between(g, (1.0, 1.5)), between(g, (0.75, 1.05))
    cloth = Paint(one_of(g, _SOBER)) if chance(g, 0.75) else look.cloth
    dark = cloth.shade(0.6)
    marks = []
    if messenger or chance(g, 0.6):
        rise = tall + between(g, (0.6, 1.3))
        strap = [(-wide, -tall * 0.7), (-wide * 0.5, -rise), (wide * 0.5, -rise), (wide, -tall * 0.7)]
        marks.append(line(strap, dark, 0.1, 1, framed=True))
    if chance(g, 0.3 if messenger else 0.75):
        marks.append(
            line([(-0.4, -tall), (-0.34, -tall - 0.32), (0.34, -tall - 0.32), (0.4, -tall)], dark, 0.12, framed=True)
        )
    marks.append(box(-wide, -tall, 2 * wide, 2 * tall, cloth))
    if chance(g, 0.75 if messenger else 0.2):
        low = between(g, (0.1, 0.7)) * tall
        marks.append(area([(-wide, -tall), (wide, -tall), (wide * 0.95, low), (-wide * 0.95, low)], cloth))
        return marks + [box(s * wide * 0.5 - 0.1, low - 0.25, 0.2, 0.4, look.accent) for s in (-1, 1)]
    zipper = line([(-wide * 0.85, -tall * 0.45), (wide * 0.85, -tall * 0.45)], Paint((150, 150, 155)), 0.06)
    return [*marks, box(-wide * 0.85, -tall * 0.1, wide * 1.7, tall * 0.95, cloth), zipper]


def duffel_bag(look: Look, g: np.random.Generator) -> list[Mark]:
    """Draw a duffel bag: a long barrel with round ends, a zip and two handles."""
    wide, tall = between(g, (1.4, 1.9)), between(g, (0.6, 0.85))
    marks = [
        area(
            both_sides([(wide * 0.85, -tall), (wide, -tall * 0.4), (wide, tall * 0.5), (wide * 0.9, tall)]),
            look.cloth,
            1,
        )
    ]
    marks += [oval(s * wide * 0.88, 0, 0.22, tall * 0.85, look.accent) for s in (-1, 1) if chance(g, 0.6)]
    marks.append(line([(-wide * 0.8, -tall * 0.8), (wide * 0.8, -tall * 0.8)], look.dark, 0.08))
    for x in (-0.55, 0.55):
        marks.append(line([(x * wide, tall * 0.9), (x * wide, -tall)], look.dark, 0.14))
    rise = between(g, (0.3, 0.7))
    marks.append(
        line(
            [(-0.5 * wide, -tall), (-0.3 * wide, -tall - rise), (0.3 * wide, -tall - rise), (0.5 * wide, -tall)],
            look.dark,
            0.13,
            1,
        )
    )
    return [*marks, ring_mark(0, 0.1, 0.25, 0.2, look.light, 0.08)] if chance(g, 0.4) else marks
