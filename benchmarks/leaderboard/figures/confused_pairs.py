"""The pairs of classes that are confused most, under plain training and the best strategy."""

from __future__ import annotations

import numpy as np

from benchmarks.leaderboard.figures import style
from benchmarks.leaderboard.figures.chosen import plain_and_best
from benchmarks.leaderboard.figures.registry import Drawing, figure
from benchmarks.leaderboard.sections import Section
from benchmarks.records import confusions

PAIRS = 20
ROW, LABELS, BELOW, ABOVE = 16, 232, 38, 26  # points


@figure(
    "confused-pairs",
    "The pairs of classes of the last stage that plain training confuses most: test rows of the one taken for the "
    "other, under plain training and under the best ranked strategy that sees images alone.",
    page="per-class",
)
def draw(section: Section, backbone: str) -> Drawing | None:
    """Draw a row per pair: a line from plain training (hollow) to the best (filled); None without confusions."""
    plain, best = plain_and_best(section.only(backbone))
    if plain is None or best is None:
        return None
    before_CC, after_CC = (confusions.mean(entry.records, -1) for entry in (plain, best))
    if before_CC is None or after_CC is None or not before_CC.any():
        return None
    result = section.first.stages[-1]
    order = np.argsort(-np.round(before_CC, 6), axis=None, kind="stable")[:PAIRS]
    pairs = [divmod(int(k), len(result.classes)) for k in order if before_CC.flat[k] > 0]
    before_P, after_P = (np.array([found[pair] for pair in pairs]) for found in (before_CC, after_CC))
    names = [
        style.short(f"{style.short(result.classes[a], 17)} → {style.short(result.classes[b], 17)}") for a, b in pairs
    ]
    height = ROW * len(pairs)
    canvas = style.new(height + BELOW + ABOVE)
    plot = style.axes(canvas, LABELS, BELOW, style.WIDTH - LABELS - 10, height)
    plot.set(ylim=(len(pairs) - 0.4, -0.6), xlim=(0, float(max(before_P.max(), after_P.max())) * 1.04))
    plot.set_yticks(range(len(pairs)))
    plot.tick_params(axis="y", length=0)
    plot.grid(axis="y", visible=False)
    rows = np.arange(len(pairs))
    colours = [
        style.GREEN if b < a else style.RED if b > a else style.TEXT for a, b in zip(before_P, after_P, strict=True)
    ]
    plot.hlines(rows, before_P, after_P, colors=colours, linewidth=1.6, alpha=0.8)
    plot.scatter(before_P, rows, s=24, facecolors="none", edgecolors=style.TEXT, linewidths=1.1)
    plot.scatter(after_P, rows, s=24, color=style.BLUE)
    style.label(plot, "test rows taken for the other, mean over seeds", rows=names)
    both = [("o", style.TEXT, False, "plain training"), ("o", style.BLUE, True, style.short(best.title))]
    style.key(canvas, height + BELOW + 6, both)
    told = ", ".join(
        f"{result.classes[a]} for {result.classes[b]} {x:.0f} then {y:.0f}"
        for (a, b), x, y in list(zip(pairs, before_P, after_P, strict=True))[:3]
    )
    return Drawing(canvas, f"The best is {best.title}. Most confused: {told}.")
