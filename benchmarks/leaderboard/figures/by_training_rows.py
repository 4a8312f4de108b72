"""Accuracy of each class against its training rows, under plain training and the best strategy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.leaderboard.figures import style
from benchmarks.leaderboard.figures.chosen import plain_and_best
from benchmarks.leaderboard.figures.registry import Drawing, figure
from benchmarks.leaderboard.per_class.class_blocks import accuracies
from benchmarks.leaderboard.sections import Entry, Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TICKS = [digit * 10**power for power in range(7) for digit in (1, 2, 5)]


@figure(
    "by-training-rows",
    "Top-1 accuracy of each class against its number of training rows (logarithmic), under plain training and under "
    "the best ranked strategy that sees images alone.",
    page="per-class",
)
def draw(section: Section, backbone: str) -> Drawing | None:
    """Draw a panel per stage, for each tested class a line from plain training (hollow) to the best (filled)."""
    plain, best = plain_and_best(section.only(backbone))
    if plain is None or best is None:
        return None
    stages = [k for k, result in enumerate(section.first.stages) if result.rows]
    canvas = style.new(300)
    width = (style.WIDTH - 56 - 30 * (len(stages) - 1)) / len(stages)
    style.key(
        canvas, 282, [("o", style.TEXT, False, "plain training"), ("o", style.BLUE, True, style.short(best.title))]
    )
    parts = []
    for k, stage in enumerate(stages):
        plot = style.axes(canvas, 46 + k * (width + 30), 38, width, 218)
        result, name = section.first.stages[stage], section.first.stages[stage].name
        plot.set(xscale="log", ylim=(-0.03, 1.03))
        up, down = _classes(plot, section, stage, plain, best)
        trained = [max(0.5, n) for n, test in zip(result.train_n, result.test_n, strict=True) if test]
        low, high = min(trained) / 1.3, max(trained) * 1.3
        plot.set_xlim(low, high)
        plot.set_xticks([t for t in TICKS if low <= t <= high])
        style.label(plot, "training rows", f"top-1 of {name} classes")
        parts.append(f"{name}: {up} classes higher and {down} lower than under plain training.")
    return Drawing(canvas, f"The best is {best.title}. {' '.join(parts)}")


def _classes(plot: Axes, section: Section, stage: int, plain: Entry, best: Entry) -> tuple[int, int]:
    """Draw the classes of a stage; return how many are higher and lower under the best."""
    result = section.first.stages[stage]
    tested_C = np.array(result.test_n) > 0
    x_T = np.maximum(np.array(result.train_n), 0.5)[tested_C]
    before_T, after_T = (accuracies(entry, stage)[0][tested_C] for entry in (plain, best))
    colours = [
        style.GREEN if b > a else style.RED if b < a else style.TEXT for a, b in zip(before_T, after_T, strict=True)
    ]
    plot.vlines(x_T, before_T, after_T, colors=colours, linewidth=1.4, alpha=0.8)
    plot.scatter(x_T, before_T, s=20, facecolors="none", edgecolors=style.TEXT, linewidths=1.1)
    plot.scatter(x_T, after_T, s=20, color=style.BLUE)
    return int((after_T > before_T + 1e-9).sum()), int((after_T < before_T - 1e-9).sum())
