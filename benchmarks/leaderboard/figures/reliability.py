"""Reliability diagram: accuracy against confidence, under plain training and the best strategy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.leaderboard.figures import style
from benchmarks.leaderboard.figures.chosen import plain_and_best
from benchmarks.leaderboard.figures.registry import Drawing, figure
from benchmarks.leaderboard.sections import Entry, Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEWEST_ROWS = 10  # of a bin that is drawn: fewer say nothing


@figure(
    "reliability",
    "Reliability diagram: share of hits against the confidence of the top class, in 15 bins of test rows of all seeds; "
    "below the diagonal a model is overconfident.",
    folded="How far confidence can be believed",
)
def draw(section: Section, backbone: str) -> Drawing | None:
    """Draw a panel per stage, the last first; None where plain training or the best have no bins."""
    plain, best = plain_and_best(section.only(backbone))
    stages = [k for k, result in enumerate(section.first.stages) if result.rows][::-1]
    if plain is None or best is None or any(bins(entry, k) is None for entry in (plain, best) for k in stages):
        return None
    canvas = style.new(316)
    both = [("o", style.TEXT, False, "plain training"), ("o", style.BLUE, True, style.short(best.title))]
    style.key(canvas, 298, both)
    parts = []
    for k, stage in enumerate(stages):
        name = section.first.stages[stage].name
        plot = style.axes(canvas, 46 + k * 262, 38, 220, 234)
        plot.set(xlim=(0, 1), ylim=(0, 1))
        plot.plot([0, 1], [0, 1], color=style.TEXT, linewidth=1, linestyle=(0, (4, 3)))
        gaps = [_line(plot, entry, stage, filled) for entry, filled in ((plain, False), (best, True))]
        style.label(plot, "confidence", f"hits, {name} classes")
        parts.append(f"{name}: calibration error {gaps[0]:.3f} under plain training, {gaps[1]:.3f} under the best.")
    return Drawing(canvas, f"The best is {best.title}. {' '.join(parts)}")


def _line(plot: Axes, entry: Entry, stage: int, filled: bool) -> float:
    """Draw an entry's bins and return their calibration error."""
    found = bins(entry, stage)
    assert found is not None
    rows_B, confidence_B, hits_B = found
    many_B = rows_B >= FEWEST_ROWS
    x, y = confidence_B[many_B] / rows_B[many_B], hits_B[many_B] / rows_B[many_B]
    colour = style.BLUE if filled else style.TEXT
    plot.plot(x, y, color=colour, linewidth=1.2, alpha=0.8)
    plot.scatter(x, y, s=26, facecolors=colour if filled else "none", edgecolors=colour, linewidths=1.1, zorder=3)
    return float(np.abs(hits_B - confidence_B).sum() / rows_B.sum())


def bins(entry: Entry, stage: int) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return rows, summed confidence and hits of each bin, summed over seeds; None if a record has none."""
    kept = [record.stages[stage].reliability for record in entry.records]
    if not all(kept):
        return None
    rows_B, confidence_B, hits_B = np.array(kept, dtype=np.float64).sum(axis=0).T
    return rows_B, confidence_B, hits_B
