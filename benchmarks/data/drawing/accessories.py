"""Watches, eyewear, belts, jewellery, headwear, draped cloths and other accessories."""

from __future__ import annotations

import numpy as np

from benchmarks.data.drawing.marks import (
    Look,
    Mark,
    Paint,
    area,
    between,
    both_sides,
    box,
    chance,
    line,
    moved,
    one_of,
    oval,
    ring,
)

_METALS = ((196, 196, 202), (212, 178, 96), (160, 162, 168), (200, 150, 120))
_LEATHERS = ((34, 30, 30), (78, 50, 34), (118, 76, 46), (58, 40, 34))


def watch(look: Look, g: np.random.Generator) -> list[Mark]:
    """Draw a wrist watch: strap, case, dial with marks and hands; round or square, analogue or digital."""
    metal = Paint(one_of(g, _METALS))
    strap = one_of(g, (metal, Paint(one_of(g, _LEATHERS)), Paint(look.cloth.rgb)))
    dial = one_of(g, (Paint((245, 245, 245)), Paint((28, 28, 32)), Paint(look.accent.rgb), Paint((40, 60, 110))))
    broad, long, r = between(g, (0.4, 0.66)), between(g, (1.5, 2.4)), between(g, (0.8, 1.0))
    marks = [area(both_sides([(broad * 0.85, -long), (broad, -0.5), (broad, 0.5), (broad * 0.85, long)]), strap)]
    marks += [line([(-broad, y * long), (broad, y * long)], strap.shade(0.65), 0.07) for y in (-0.85, -0.7, 0.7, 0.85)]
    if chance(g, 0.25):
        marks += [box(-r, -r, 2 * r, 2 * r, metal, 1), box(-r * 0.75, -r * 0.7, 1.5 * r, 1.4 * r, dial)]
    else:
        marks += [oval(0, 0, r, r, metal), oval(0, 0, r * 0.8, r * 0.8, dial), box(r * 0.95, -0.1, 0.18, 0.2, metal)]
    ink = Paint((235, 235, 235)) if sum(dial.rgb) < 380 else Paint((30, 30, 30))
    marks += [
        line([(x * r * 0.62, y * r * 0.62), (x * r * 0.74, y * r * 0.74)], ink, 0.08)
        for x, y in ((0, -1), (1, 0), (0, 1), (-1, 0), (0.7, 0.7), (-0.7, 0.7), (0.7, -0.7), (-0.7, -0.7))
    ]
    hands = [
        line([(0, 0), (between(g, (-0.5, 0.5)) * r, -0.45 * r)], ink, 0.08),
        line([(0, 0), (0.4 * r, 0.1)], ink, 0.08),
    ]
    return marks + hands


def sunglasses(look: Look, g: np.random.Generator) -> list[Mark]:
    """Draw sunglasses from the front: two lenses, a bridge and the temples."""
    rx, ry, gap = between(g, (0.75, 0.95)), between(g, (0.42, 0.75)), between(g, (0.95, 1.1))
    frame = Paint(one_of(g, ((28, 26, 28), (80, 50, 34), (206, 176, 96), (160, 160, 168), look.cloth.rgb)))
    glass = Paint(one_of(g, ((44, 44, 52), (88, 62, 48), (70, 84, 70), (120, 90, 130), (60, 70, 100))))
    marks, boxy = [], chance(g, 0.5)
    for s in (-1, 1):
        marks.append(line([(s * (gap + rx * 0.9), -ry * 0.6), (s * (gap + rx * 1.15), -ry * 1.5)], frame, 0.14))
        lens = [
            (s * 0.2, -ry * 0.9),
            (s * (gap + rx), -ry),
            (s * (gap + rx * 0.9), ry * 0.7),
            (s * gap, ry),
            (s * 0.35, ry * 0.5),
        ]
        marks.append(area(lens, frame, 1) if boxy else oval(s * gap, 0, rx, ry, frame))
        inner = [(s * gap + (x - s * gap) * 0.82, y * 0.78) for x, y in lens]
        marks.append(area(inner, glass, 1) if boxy else oval(s * gap, 0, rx * 0.84, ry * 0.82, glass))
        marks.append(line([(s * gap - 0.3, ry * 0.3), (s * gap + 0.2, -ry * 0.4)], glass.shade(1.45), 0.1))
    return [*marks, line([(-0.35, -ry * 0.45), (0, -ry * 0.65), (0.35, -ry * 0.45)], frame, 0.15)]


def belt(look: Look, g: np.random.Generator) -> list[Mark]:
    """Draw a belt: coiled with the buckle in front, or a strip, or a loop."""
    leather = Paint(one_of(g, _LEATHERS)) if chance(g, 0.7) else Paint(look.cloth.rgb)
    metal, form = Paint(one_of(g, _METALS)), float(g.random())
    if form < 0.45:
        marks = [
            ring(0, -0.12 * k, 1.0 - 0.16 * k, 0.62 - 0.1 * k, leather.shade(1 - 0.14 * k), 0.24)
            for k in range(2, -1, -1)
        ]
        return [*marks, box(-0.26, 0.38, 0.52, 0.46, metal), box(-0.14, 0.48, 0.28, 0.26, leather.shade(0.6))]
    if form < 0.75:
        x = between(g, (0.1, 0.25))
        marks = [box(-x, -1.9, 2 * x, 3.8, leather), box(-x - 0.1, -2.1, 2 * x + 0.2, 0.5, metal)]
        return marks + [oval(0, 0.9 + 0.25 * k, 0.05, 0.05, leather.shade(0.4)) for k in range(4)]
    return [
        ring(0, 0, 0.9, between(g, (0.8, 1.2)), leather, 0.2),
        box(-0.22, 0.75, 0.44, 0.4, metal),
        line([(0.2, 0.95), (0.7, 1.3)], leather, 0.2),
    ]


def tie(look: Look, g: np.random.Generator) -> list[Mark]:
    """Draw a necktie, hanging full length or folded."""
    blade, long = between(g, (0.3, 0.48)), between(g, (2.6, 4.2))
    knot = area([(-0.22, 0), (0.22, 0), (0.13, 0.34), (-0.13, 0.34)], look.cloth)
    body = area(both_sides([(0.12, 0.32), (blade, long), (0.02, long + blade)]), look.cloth)
    marks = [body, knot]
    if chance(g, 0.4):
        marks = [*moved(marks, 0.35, -0.1), *marks]
    if look.worn:
        shirt = Paint(one_of(g, ((235, 235, 240), (190, 205, 230))))
        collar = [area([(0, 0.15), (s * 0.9, -0.25), (s * 0.6, 0.6)], shirt, framed=False) for s in (-1, 1)]
        return [area([(-1.6, 0), (1.6, 0), (1.8, 5), (-1.8, 5)], shirt, framed=False), *marks, *collar]
    return marks


def cap(look: Look, g: np.random.Generator) -> list[Mark]:
    """Draw a cap: a dome of panels with a brim to one side, sometimes a badge."""
    tall, brim = between(g, (0.75, 1.1)), between(g, (0.6, 1.15))
    dome = area(
        [(-1, 0.1), (-0.95, -tall * 0.6), (-0.4, -tall), (0.4, -tall), (0.95, -tall * 0.6), (1, 0.1)], look.cloth, 1
    )
    peak = area(
        [(0.1, 0.02), (1.0, -0.1), (1.0 + brim, 0.3), (0.9 + brim, 0.48), (0.3, 0.32)],
        look.cloth if chance(g, 0.5) else look.accent,
        1,
    )
    seams = [line([(0, -tall * 0.95), (x, 0.05)], look.dark, 0.05, 0) for x in (-0.5, 0.3)]
    badge = [oval(0.55, -tall * 0.45, 0.25, 0.2, look.accent)] if chance(g, 0.6) else []
    return [dome, *seams, *badge, peak, oval(0, -tall * 0.92, 0.09, 0.06, look.dark)]


def scarf(look: Look, g: np.random.Generator) -> list[Mark]:
    """Draw a scarf: slung as around a neck, or folded to a long rectangle, with fringes."""
    if chance(g, 0.5):
        wide, long = between(g, (0.45, 0.9)), between(g, (2.2, 3.4))
        marks = [box(-wide, 0, 2 * wide, long, look.cloth), line([(0, 0), (0, long)], look.dark, 0.06)]
        ends = [(-wide + 2 * wide * k / 6, long) for k in range(7)]
    else:
        left, right = between(g, (1.8, 3.2)), between(g, (1.8, 3.2))
        marks = [
            area([(-0.65, 0.1), (-0.15, 0.2), (-0.1, left), (-0.75, left)], look.cloth),
            area([(0.65, 0.1), (0.1, 0.2), (0.05, right), (0.8, right)], look.cloth),
            area([(-0.7, 0.2), (-0.3, -0.4), (0.3, -0.4), (0.7, 0.2), (0.3, 0.75), (-0.3, 0.75)], look.cloth, 1),
            line([(-0.4, 0.1), (0, 0.4), (0.4, 0.1)], look.dark, 0.1, 1),
        ]
        ends = [(x, left) for x in (-0.7, -0.45, -0.2)] + [(x, right) for x in (0.15, 0.4, 0.7)]
    return marks + [line([(x, y), (x, y + 0.3)], look.cloth.shade(0.85), 0.07) for x, y in ends]


def saree(look: Look, g: np.random.Generator) -> list[Mark]:
    """Draw a draped saree: a blouse, a long pleated skirt and the cloth's end across the shoulder."""
    flare = between(g, (1.0, 1.5))
    wearer = [
        oval(0, -0.85, 0.5, 0.65, Paint((36, 26, 24)), framed=False),
        oval(0, -0.75, 0.38, 0.5, look.skin, framed=False),
        *(line([(s * 0.85, 0.3), (s * 1.15, 1.4), (s * 0.8, 2.3)], look.skin, 0.28) for s in (-1, 1)),
    ]
    blouse = area(both_sides([(0.3, 0), (0.9, 0.15), (1.1, 0.9), (0.75, 0.95), (0.7, 1.4)]), look.accent)
    skirt = area(both_sides([(0.7, 1.5), (0.85, 2.2), (flare, 5.6)]), look.cloth)
    drape = area([(-0.75, 0.05), (-0.2, 0.1), (0.8, 1.6), (0.85, 2.4), (-0.1, 1.8)], look.cloth)
    tail = area(
        [(-0.85, 0.05), (-0.3, 0.1), (-0.5, between(g, (2.5, 4.5))), (-1.3, between(g, (2.5, 4.5)))], look.cloth
    )
    pleats = [line([(x * 0.3, 2.2), (x * 0.5 * flare, 5.5)], look.dark, 0.06) for x in (-1, 0, 1)]
    border = [
        line([(-flare, 5.5), (flare, 5.5)], look.accent, 0.22),
        line([(-0.2, 0.1), (0.8, 1.6)], look.accent, 0.12),
    ]
    return [*wearer, blouse, skirt, tail, drape, *pleats, *border]


def earrings(look: Look, g: np.random.Generator) -> list[Mark]:
    """Draw a pair of earrings: drops, hoops or studs."""
    metal, stone = Paint(one_of(g, _METALS)), Paint(look.accent.rgb)
    form, long, size = float(g.random()), between(g, (0.6, 1.8)), between(g, (0.22, 0.45))
    if form < 0.3:
        one = [ring(0, size * 2, size * 1.6, size * 2, metal, 0.12)]
    elif form < 0.5:
        one = [oval(0, 0, size, size, metal), oval(0, 0, size * 0.6, size * 0.6, stone)]
    else:
        one = [
            ring(0, -0.2, 0.14, 0.2, metal, 0.07),
            line([(0, 0), (0, long * 0.6)], metal, 0.08),
            area([(0, long * 0.5), (size, long), (0, long + size), (-size, long)], stone, 1),
            oval(0, long, size * 0.35, size * 0.35, metal),
        ]
    return [*one, *moved(one, between(g, (0.9, 1.5)), between(g, (-0.15, 0.15)))]


def lipstick(look: Look, g: np.random.Generator) -> list[Mark]:
    """Draw a lipstick: case, collar and slanted stick, sometimes with its cap."""
    case, wide = Paint(one_of(g, ((30, 30, 34), (200, 170, 100), (180, 180, 190)))), between(g, (0.3, 0.42))
    red = Paint(one_of(g, ((190, 30, 60), (220, 80, 110), (150, 40, 50), (230, 120, 110))))
    stick = area([(-wide * 0.6, 0), (-wide * 0.6, -0.9), (0, -1.3), (wide * 0.6, -0.8), (wide * 0.6, 0)], red)
    marks = [
        stick,
        box(-wide * 0.75, -0.3, 1.5 * wide, 0.4, Paint((214, 190, 130))),
        box(-wide, 0.05, 2 * wide, 1.5, case),
    ]
    return [*marks, box(wide * 1.6, 0.2, 2 * wide, 1.35, case)] if chance(g, 0.5) else marks
