"""Training loss and accuracy of each epoch, under plain training and the best strategy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from benchmarks.leaderboard.figures import style
from benchmarks.leaderboard.figures.chosen import plain_and_best
from benchmarks.leaderboard.figures.registry import Drawing, figure
from benchmarks.leaderboard.sections import Entry, Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes

What = Literal["losses", "accuracies"]
ABOVE: dict[What, str] = {"accuracies": "training accuracy", "losses": "training loss"}


@figure(
    "learning-curves",
    "Training accuracy and loss of each epoch on the batches as they were drawn, mean over seeds. Losses of strategies "
    "that weight or change the loss have other scales.",
    folded="Loss and accuracy per epoch",
)
def draw(section: Section, backbone: str) -> Drawing | None:
    """Draw a column per stage, the last first, accuracy above loss; None where the records have no loss per epoch."""
    plain, best = plain_and_best(section.only(backbone))
    if plain is None or best is None:
        return None
    stages = [k for k, result in enumerate(section.first.stages) if result.epochs][::-1]
    shown: list[What] = [w for w in ABOVE if all(curve(e, k, w) is not None for e in (plain, best) for k in stages)]
    if not stages or "losses" not in shown:
        return None
    canvas = style.new(34 + 200 * len(shown))
    both = [("o", style.TEXT, False, "plain training"), ("o", style.BLUE, True, style.short(best.title))]
    style.key(canvas, 16 + 200 * len(shown), both)
    width = (style.WIDTH - 56 - 42 * (len(stages) - 1)) / len(stages)
    parts = []
    for k, stage in enumerate(stages):
        name = section.first.stages[stage].name
        for row, what in enumerate(shown[::-1]):
            plot = style.axes(canvas, 46 + k * (width + 42), 38 + 200 * row, width, 134)
            ends = [_line(plot, entry, stage, what, best=entry is best) for entry in (plain, best)]
            plot.set_ylim(0, 1.03 if what == "accuracies" else None)
            plot.locator_params(nbins=5)
            style.label(plot, "epoch", f"{ABOVE[what]}, {name}")
            parts.append(f"{name}, {ABOVE[what]} at the end: plain {ends[0]:.3f}, best {ends[1]:.3f}.")
    return Drawing(canvas, f"The best is {best.title}. {' '.join(parts)}")


def _line(plot: Axes, entry: Entry, stage: int, what: What, best: bool) -> float:
    """Draw an entry's curve, a point at its end, and return the last value."""
    values = curve(entry, stage, what)
    assert values is not None
    colour, epochs = style.BLUE if best else style.TEXT, np.arange(1, len(values) + 1)
    plot.plot(epochs, values, color=colour, linewidth=1.6)
    plot.scatter(epochs[-1:], values[-1:], s=26, facecolors=colour if best else "none", edgecolors=colour)
    return float(values[-1])


def curve(entry: Entry, stage: int, what: What) -> np.ndarray | None:
    """Return the value of each epoch, float64, mean over the seeds that recorded all epochs; None if none did."""
    kept = [getattr(record.stages[stage], what) for record in entry.records]
    longest = max(map(len, kept))
    return np.asarray(np.mean([one for one in kept if len(one) == longest], axis=0)) if longest else None
