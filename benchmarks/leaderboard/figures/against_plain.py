"""Forest plot: how far each strategy is above or below plain training, with intervals and corrected marks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from benchmarks.leaderboard.figures import style
from benchmarks.leaderboard.figures.registry import Drawing, figure
from benchmarks.leaderboard.sections import Entry, Section
from benchmarks.leaderboard.ties import Marked, kind, marked
from benchmarks.records.kinds import IMAGES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS = 30
ROW, LABELS, BELOW, ABOVE, GAP, RIGHT = 15, 252, 37, 24, 24, 20  # points; half a number of the axis fits on the right


@figure(
    "against-plain",
    "Forest plot: class mean minus that of plain training, with 95 % intervals; coloured where the difference is "
    "significant after Holm's correction.",
)
def draw(section: Section, backbone: str) -> Drawing | None:
    """Draw a panel per stage, the last first; strategies with a mark come before others where not all have room.

    Names gain so much that their rows would leave the others no width; strategies that see more than the image are
    shown only where there are no others.
    """
    stages = range(len(section.first.stages))[::-1]
    own = section.only(backbone).entries
    found = [marked(section, own, stage, 1) for stage in stages]
    every = [entry for entry in own if entry.key in found[0]]
    known = [entry for entry in every if kind(entry) == IMAGES] or every
    if not known:
        return None
    real = {entry.key for entry in known if any(one[entry.key].real for one in found if entry.key in one)}
    chosen = sorted(known, key=lambda entry: entry.key not in real)[:MOST_ROWS]
    shown = [entry for entry in known if entry in chosen]
    height = ROW * len(shown)
    canvas = style.new(height + BELOW + ABOVE)
    width = (style.WIDTH - LABELS - RIGHT - GAP * (len(found) - 1)) / len(found)
    for k, (stage, values) in enumerate(zip(stages, found, strict=True)):
        plot = style.axes(canvas, LABELS + k * (width + GAP), BELOW, width, height)
        plot.set(ylim=(len(shown) - 0.4, -0.6), yticks=range(len(shown)))
        plot.tick_params(axis="y", length=0)
        plot.grid(axis="y", visible=False)
        plot.axvline(0, color=style.TEXT, linewidth=1)
        plot.locator_params(axis="x", nbins=3)
        _intervals(plot, shown, values)
        rows = [style.short(entry.title) if k == 0 else "" for entry in shown]
        style.label(plot, "minus plain training", f"{section.first.stages[stage].name} class mean", rows)
    return Drawing(canvas, _told(section, every, known, found, len(shown)))


def _intervals(plot: Axes, shown: list[Entry], values: dict[tuple[str, str], Marked]) -> None:
    """Draw a row per entry: its interval as a line, the difference as a triangle, or as a circle if not marked."""
    for row, entry in enumerate(shown):
        one = values.get(entry.key)
        if one is None:
            continue
        difference = one.difference
        colour = style.TEXT if not one.real else style.GREEN if difference.value > 0 else style.RED
        marker = "o" if not one.real else "^" if difference.value > 0 else "v"
        if not math.isnan(difference.low):
            plot.plot([difference.low, difference.high], [row, row], color=colour, linewidth=1.6)
        plot.plot([difference.value], [row], marker=marker, markersize=5.5, color=colour)


def _told(
    section: Section, every: list[Entry], known: list[Entry], found: list[dict[tuple[str, str], Marked]], shown: int
) -> str:
    """Return the alternative text: which of the `known` strategies are marked, and whether `every` holds more."""
    parts = []
    for stage, values in zip(range(len(section.first.stages))[::-1], found, strict=True):
        name = section.first.stages[stage].name
        better = [e.title for e in known if e.key in values and _mark(values[e.key]) > 0]
        worse = [e.title for e in known if e.key in values and _mark(values[e.key]) < 0]
        parts.append(f"{name}: better {', '.join(better) or 'none'}; worse {', '.join(worse) or 'none'}.")
    if shown < len(known):
        parts.append(f"{shown} of {len(known)} strategies are shown, marked ones first, then by rank.")
    if len(known) < len(every):
        parts.append("Strategies that see more than the image are in the tables only.")
    return " ".join(parts)


def _mark(one: Marked) -> int:
    return 0 if not one.real else 1 if one.difference.value > 0 else -1
