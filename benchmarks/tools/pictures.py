"""Pictures of a dataset: its class counts as SVG, and a contact sheet of some images of each class as PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.data.base import Loaded
from benchmarks.leaderboard.figures import style
from benchmarks.leaderboard.markdown import MARKER
from benchmarks.support.errors import UserError
from benchmarks.support.keys import generator

MOST_CLASSES = 160  # of both pictures; of more, the largest and the smallest are shown
MOST_IMAGES, IMAGE_PX = 12, 64
_ROW, _NAMES = 13, 170  # points of the counts
_GAP, _LEFT = 4, 260  # pixels of the sheet
_LOG_FROM = 20  # largest class over smallest


def draw(loaded: Loaded, folder: Path) -> list[Path]:
    """Write `class-counts.svg` and `contact-sheet.png` into `folder`, and return their paths.

    Raises UserError where the folder cannot be written.
    """
    classes = len(loaded.class_names)
    half = MOST_CLASSES // 2
    shown = list(range(classes)) if classes <= MOST_CLASSES else [*range(half), *range(classes - half, classes)]
    paths = [folder / "class-counts.svg", folder / "contact-sheet.png"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths[0].write_text(counts(loaded, shown), encoding="utf-8")
        _sheet(loaded, shown, paths[1])
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror or error}); give another folder.") from error
    return paths


def counts(loaded: Loaded, shown: list[int]) -> str:
    """Return a figure of training and test rows of the shown classes, as SVG."""
    classes = len(loaded.class_names)
    train_C, test_C = (
        np.bincount(loaded.labels_N[rows_N], minlength=classes)[shown] for rows_N in (loaded.train_N, ~loaded.train_N)
    )
    with style.applied():
        height = _ROW * len(shown)
        canvas = style.new(height + 90)
        plot = style.axes(canvas, _NAMES, 40, style.WIDTH - _NAMES - 20, height)
        seen = train_C[train_C > 0]
        if seen.size and seen.max() > _LOG_FROM * seen.min():
            plot.set_xscale("log")
            plot.set_xlim(0.7, 1.4 * max(train_C.max(), test_C.max()))
        rows = np.arange(len(shown))
        plot.barh(rows - 0.18, train_C, 0.36, color=style.BLUE)
        plot.barh(rows + 0.18, test_C, 0.36, color=style.ORANGE)
        plot.set_ylim(len(shown) - 0.4, -0.6)
        plot.set_yticks(rows)
        plot.grid(False, axis="y")
        names = [style.short(loaded.class_names[c], 28) for c in shown]
        left_out = classes - len(shown)
        style.label(plot, f"images ({left_out} classes in the middle left out)" if left_out else "images", rows=names)
        entries = [("s", style.BLUE, True, "training rows"), ("s", style.ORANGE, True, "test rows")]
        style.key(canvas, height + 60, entries)
        drawn = style.svg(canvas, f"Training and test rows of {len(shown)} classes of {loaded.origin}.")
        return drawn.removeprefix(f"{MARKER}\n")


def _sheet(loaded: Loaded, shown: list[int], path: Path) -> None:
    """Write the contact sheet: a row for each class, its name and number of images, and some training images."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", 13)
    step = IMAGE_PX + _GAP
    sheet = Image.new("RGB", (_LEFT + MOST_IMAGES * step, len(shown) * step + _GAP), "white")
    pen = ImageDraw.Draw(sheet)
    for place, label in enumerate(shown):
        top = _GAP + place * step
        rows = np.flatnonzero(loaded.labels_N == label)
        pen.text((8, top + 14), style.short(loaded.class_names[label], 30), "black", font)
        pen.text((8, top + 34), f"{len(rows):,} image{'s' * (len(rows) != 1)}", "dimgray", font)
        order = rows[np.argsort(~loaded.train_N[rows], kind="stable")]  # test rows where there are too few others
        drawn = generator("pictures", loaded.class_names[label]).permutation(int(loaded.train_N[rows].sum()))
        order[: len(drawn)] = order[drawn]
        for column, row in enumerate(np.sort(order[:MOST_IMAGES]).tolist()):
            image = Image.fromarray(np.asarray(loaded.images_NHWC[row])).resize((IMAGE_PX, IMAGE_PX))
            sheet.paste(image, (_LEFT + column * step, top))
    sheet.save(path, optimize=True)
