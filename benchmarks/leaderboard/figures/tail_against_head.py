"""Tail against head class mean of every strategy, cost as area, the Pareto front marked."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from benchmarks.leaderboard import describe, tables, trade
from benchmarks.leaderboard.figures import style
from benchmarks.leaderboard.figures.registry import Drawing, figure
from benchmarks.leaderboard.sections import BASELINE, Entry, Section
from benchmarks.leaderboard.ties import kind
from benchmarks.records.kinds import IMAGES, NAMES, TEST_ROWS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LARGEST = 170.0  # square points of the most expensive entry
MOST_NAMED = 12
MARKERS = {IMAGES: ("o", style.BLUE), NAMES: ("D", style.ORANGE), TEST_ROWS: ("s", style.GREEN)}


@dataclasses.dataclass(frozen=True)
class Point:
    """An entry at its place, with its area in square points."""

    entry: Entry
    x: float
    y: float
    area: float


@figure(
    "tail-against-head",
    "Scatter plot: class mean of the tail against that of the head, a point for each strategy, its area the training "
    "time; of those that see the same, the ones that no other exceeds in both are filled and joined by a line.",
)
def draw(section: Section, backbone: str) -> Drawing | None:
    """Draw the points; those of the front and plain training are numbered, and named in a list."""
    across, up = trade.axes(section)
    entries = section.only(backbone).entries
    costs = [tables.mean(entry, "seconds_alone") for entry in entries]
    most = max(costs) or 1.0
    points = [Point(e, across.of(e), up.of(e), LARGEST * c / most) for e, c in zip(entries, costs, strict=True)]
    points = [point for point in points if not math.isnan(point.x + point.y)]
    if len(points) < 2:
        return None
    fronts = [_front([p for p in points if kind(p.entry) == name]) for name in MARKERS]
    best = sorted((point for front in fronts for point in front), key=lambda p: -p.y)
    named = best[:MOST_NAMED]
    canvas = style.new(362)
    plot = style.axes(canvas, 40, 38, 292, 302)
    plot.margins(0.08)
    _scatter(plot, points, best)
    for front in filter(None, fronts):
        plot.plot([p.x for p in front], [p.y for p in front], color=style.TEXT, linewidth=1, linestyle=(0, (4, 3)))
    style.label(plot, below=f"{across.label} (top-1)", above=f"{up.label} (top-1)")
    for k, point in enumerate(named):
        away = 4 + math.sqrt(point.area / math.pi)
        shift = (0.0, away) if k % 2 == 0 else (away + 2, -3.5)
        style.write(plot, str(k + 1), (point.x, point.y), shift, "center", weight="bold")
    _list(canvas, named, points, describe.seconds(most))
    plain = [p for p in points if BASELINE in p.entry.names and p not in named]
    told = ", ".join(f"{p.entry.title} ({p.y:.3f}, {p.x:.3f})" for p in named + plain)
    return Drawing(canvas, f"On the line or plain (tail, head): {told}.")


def _front(points: list[Point]) -> list[Point]:
    """Return the points on the Pareto front, highest first."""
    return sorted((points[k] for k in trade.front([(p.x, p.y) for p in points])), key=lambda p: -p.y)


def _scatter(plot: Axes, points: list[Point], best: list[Point]) -> None:
    """Draw the points, those of the front filled; plain training is a star."""
    for name, (marker, colour) in MARKERS.items():
        own = [p for p in points if kind(p.entry) == name]
        if not own:  # matplotlib versions render an empty scatter differently
            continue
        plot.scatter(
            [p.x for p in own],
            [p.y for p in own],
            s=[p.area for p in own],
            facecolors=[f"{colour}{'ff' if p in best else '33'}" for p in own],
            edgecolors=colour,
            linewidths=0.8,
            marker=marker,
        )
    plain = [p for p in points if BASELINE in p.entry.names]
    if plain:
        plot.scatter([p.x for p in plain], [p.y for p in plain], s=130, color=style.RED, marker="*", zorder=3)


def _list(canvas: Figure, named: list[Point], points: list[Point], largest: str) -> None:
    """Name the numbered points to the right of the axes, and say what markers and areas are."""
    plot = style.axes(canvas, 346, 38, 190, 302)
    plot.set(xlim=(0, 190), ylim=(302, 0))
    plot.axis("off")
    style.write(plot, "Not exceeded in both", (0, 8), (0, 0), weight="bold")
    for k, point in enumerate(named):
        style.write(plot, str(k + 1), (14, 26 + 17 * k), (0, 0), "right", weight="bold")
        style.write(plot, style.short(point.entry.title, 28), (20, 26 + 17 * k), (0, 0))
    kinds = {kind(point.entry) for point in points}
    rows = [(marker, colour, f"sees: {name}") for name, (marker, colour) in MARKERS.items() if name in kinds]
    if any(BASELINE in point.entry.names for point in points):
        rows.append(("*", style.RED, "plain training"))
    for k, (marker, colour, text) in enumerate(rows):
        y = 280 - 16 * (len(rows) - 1 - k)
        plot.scatter([7], [y - 3.5], s=45, color=colour, marker=marker)
        style.write(plot, text, (20, y), (0, 0))
    style.write(plot, f"area: training time, at most {largest}", (0, 300), (0, 0))
