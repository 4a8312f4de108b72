"""How figures look, and SVG text that is the same on every machine.

The background is transparent and every colour has a contrast of 3:1 or more, texts 4:1, on white and on GitHub's dark
#0d1117 alike, because an image in a README cannot know which of the two is behind it.
"""

from __future__ import annotations

import contextlib
import io
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from benchmarks.leaderboard.markdown import MARKER
from benchmarks.support.errors import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 540  # points, 720 px: a phone shows half of it, and texts have to stay readable
TEXT = "#768088"
BLUE, ORANGE, GREEN, RED = "#3d82e0", "#d97706", "#2e9e4f", "#e0524a"
LONGEST_LABEL = 40

_SETTINGS = {
    "axes.edgecolor": TEXT,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.axisbelow": True,
    "figure.dpi": 72,
    "figure.facecolor": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Helvetica", "Arial", "sans-serif"],
    "font.size": 10.5,
    "grid.color": "#8b949e",
    "grid.alpha": 0.25,
    "grid.linewidth": 0.8,
    "path.simplify": False,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "figures",
    "text.color": TEXT,
    "text.parse_math": False,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
}
_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
_NUMBER = re.compile(r"-?\d+\.\d+")
_ID = re.compile(r' id="([^"]+)"')
_REFERENCE = re.compile(r'(?<=href="#)[\w-]+|(?<=url\(#)[\w-]+')


@contextlib.contextmanager
def applied() -> Iterator[None]:
    """Apply the style, whatever the user's own matplotlibrc says."""
    import matplotlib.style

    with matplotlib.style.context(["default", _SETTINGS]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*missing from", category=UserWarning)  # the browser has them
        yield


def new(height: float, width: float = WIDTH) -> Figure:
    """Return an empty figure of that size in points, without pyplot's global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / 72, height / 72))


def axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Add axes at a position in points from the lower left corner; text widths never affect the layout."""
    across, up = figure.get_size_inches() * 72
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def write(
    plot: Axes, text: str, at: tuple[float, float], shift: tuple[float, float], align: str = "left", **style: Any
) -> None:
    """Write a text in data coordinates, its baseline shifted by points.

    Every text of a figure is placed by its baseline: anything laid out by glyph sizes, such as matplotlib's own
    tick labels and legends, gets different coordinates in different versions of matplotlib and FreeType.
    """
    plot.annotate(text, at, shift, textcoords="offset points", ha=align, va="baseline", annotation_clip=False, **style)


def label(plot: Axes, below: str = "", above: str = "", rows: Sequence[str] | None = None) -> None:
    """Label finished axes: ticks with their numbers (or `rows`, one per tick of y), a text below and one above."""
    limits = (plot.get_xlim(), plot.get_ylim())
    ticks = [
        sorted(t for t in found if min(ends) <= t <= max(ends))
        for found, ends in zip((plot.get_xticks(), plot.get_yticks()), limits, strict=True)
    ]
    plot.set(xlim=limits[0], ylim=limits[1], xticks=ticks[0], yticks=ticks[1])
    plot.tick_params(which="both", labelbottom=False, labelleft=False)
    plot.minorticks_off()
    left, bottom, top = limits[0][0], limits[1][0], limits[1][1]
    for tick, text in zip(ticks[0], _numbers(ticks[0]), strict=True):
        write(plot, text, (tick, bottom), (0, -15), "center")
    for tick, text in zip(ticks[1], _numbers(ticks[1]) if rows is None else rows, strict=True):
        write(plot, text, (left, tick), (-7, -3.8), "right")
    write(plot, below, (left, bottom), (0, -30))
    write(plot, above, (left, top), (0, 7), weight="bold")


def _numbers(ticks: Sequence[float]) -> list[str]:
    """Return the ticks as texts with as many decimals as the longest needs."""
    short = [f"{round(tick, 9):g}" for tick in ticks]
    digits = max((len(text.partition(".")[2]) for text in short), default=0)
    return [f"{round(tick, 9) + 0.0:,.{digits}f}".replace("-", "−") for tick in ticks]


def key(canvas: Figure, height: float, entries: Sequence[tuple[str, str, bool, str]]) -> None:
    """Draw a one-row legend at that height (points); each entry is (marker, colour, filled, text)."""
    plot = axes(canvas, 0, height, WIDTH, 16)
    plot.set(xlim=(0, WIDTH), ylim=(0, 16))
    plot.axis("off")
    x = 46.0
    for marker, colour, filled, text in entries:
        plot.scatter([x], [8], s=28, marker=marker, facecolors=colour if filled else "none", edgecolors=colour)
        write(plot, text, (x, 8), (8, -3.8))
        x += 30 + 6.8 * len(text)


def short(name: str, longest: int = LONGEST_LABEL) -> str:
    """Return a name in one line, cut where it is too long for its place."""
    text = one_line(name)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def svg(figure: Figure, title: str) -> str:
    """Return the figure as SVG text without date, version and generated ids, coordinates in hundredths of a point."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    FigureCanvasSVG(figure)
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata=_METADATA)
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"\s*<metadata>.*?</metadata>|\s*<!--.*?-->", "", text, flags=re.DOTALL)
    text = text.replace(">", f' role="img">\n <title>{escape(one_line(title))}</title>', 1)
    parts = re.split(r"(>[^<]*<)", text)  # tags and, at odd positions, what is between them, which is left as it is
    parts[::2] = _renumbered([_NUMBER.sub(_rounded, part) for part in parts[::2]])
    return f"{MARKER}\n{''.join(parts)}"


def _rounded(match: re.Match[str]) -> str:
    text = f"{round(float(match[0]) + math.copysign(1e-7, float(match[0])), 2):.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _renumbered(tags: Sequence[str]) -> list[str]:
    """Return the tags with ids renumbered in order, and without ids that nothing refers to.

    matplotlib derives ids from hashes of full-precision coordinates, whose last bits differ between machines.
    """
    used = {name for tag in tags for name in _REFERENCE.findall(tag)}
    found = dict.fromkeys(name for tag in tags for name in _ID.findall(tag) if name in used)
    names = {name: f"d{k}" for k, name in enumerate(found)}
    without = (_ID.sub(lambda m: f' id="{names[m[1]]}"' if m[1] in names else "", tag) for tag in tags)
    return [_REFERENCE.sub(lambda m: names.get(m[0], m[0]), tag) for tag in without]
