"""The figures by name, and what is drawn for a suite.

To add a figure, add a file to this folder with one decorated function (`tail_against_head.py` is an example). It gets a
merged section, best entry first, and the backbone to show, and returns what it drew, or None where the records hold too
little for it. matplotlib is imported inside functions only, so that no other command waits for it.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import pkgutil
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from benchmarks.leaderboard.figures import style
from benchmarks.leaderboard.markdown import escape, folded
from benchmarks.leaderboard.sections import Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Page = Literal["leaderboard", "per-class"]
Draw = Callable[[Section, str], "Drawing | None"]


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A matplotlib figure and what one sees in it: sentences for the alternative text."""

    figure: Figure
    shows: str


@dataclasses.dataclass(frozen=True)
class Entry:
    """A registered figure; `figure` describes the fields."""

    name: str
    alt: str
    page: Page
    folded: str
    draw: Draw


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A finished figure: its file is `figures/<name>.svg`; `section` (a position) and `backbone` are what it shows."""

    name: str
    alt: str
    page: Page
    folded: str
    section: int
    backbone: str
    svg: str

    @property
    def file(self) -> str:
        """Its path below the suite's folder."""
        return f"figures/{self.name}.svg"

    def markdown(self, above: str = "") -> str:
        """Return the image for a page; `above` leads from the page's folder to the suite's, such as "../"."""
        image = f"![{escape(self.alt)}]({above}{self.file})"
        return folded(image, self.folded) if self.folded else image


FIGURES: dict[str, Entry] = {}


def figure(name: str, alt: str, page: Page = "leaderboard", folded: str = "") -> Callable[[Draw], Draw]:
    """Decorator for the function that draws a figure; it is returned unchanged.

    `name`: of its file. `alt`: alternative text, which the drawing's `shows` completes. `page`: where it is included,
    in the leaderboard or in the backbone's per-class page. `folded`: the title that opens it; without one it is shown.
    Raises ValueError for a name that is taken.
    """

    def register(draw: Draw) -> Draw:
        if name in FIGURES:
            raise ValueError(f"the figure {name!r} is registered already; choose another name")
        FIGURES[name] = Entry(name, alt, page, folded, draw)
        return draw

    return register


def of_suite(found: Sequence[Section]) -> list[Drawn]:
    """Return the figures of a suite, in order of their names.

    They show the backbone with the most entries in the section with the most; equal ones: the first.
    """
    if not found:
        return []
    position = max(range(len(found)), key=lambda k: len(found[k].entries))
    section = found[position].merged()
    backbones = [entry.backbone for entry in section.entries]
    backbone = max(sorted(set(backbones)), key=backbones.count)
    drawn = []
    for entry in _all():
        with style.applied():
            drawing = entry.draw(section, backbone)
            if drawing is not None:
                alt = f"{entry.alt} {drawing.shows}".strip()
                svg = style.svg(drawing.figure, alt)
                drawn.append(Drawn(entry.name, alt, entry.page, entry.folded, position, backbone, svg))
    return drawn


@functools.cache
def _load() -> None:
    """Import every module of this folder, which registers its figure."""
    package = importlib.import_module(__package__)
    for module in pkgutil.iter_modules(package.__path__, f"{__package__}."):
        importlib.import_module(module.name)


def _all() -> list[Entry]:
    _load()
    return [FIGURES[name] for name in sorted(FIGURES)]
