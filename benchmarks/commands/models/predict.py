"""`predict`: classify image files with an exported model."""

from __future__ import annotations

import contextlib
import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmarks.support.errors import one_line

if TYPE_CHECKING:
    from benchmarks.tools.export.predict import Prediction


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder that `export` wrote.")],
    image: Annotated[list[str], typer.Argument(metavar="IMAGE|FOLDER|GLOB...", help="Images to classify.")],
    csv_file: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", dir_okay=False, help="Write a table and print no line per image."),
    ] = None,
    top: Annotated[int, typer.Option(min=1, metavar="K", help="Classes per image.")] = 5,
    below: Annotated[
        float, typer.Option(min=0, max=1, metavar="P", help="Mark images whose best class is less probable as unsure.")
    ] = 0.5,
) -> int:
    """Classify images; exit 1 if one cannot be read."""
    from benchmarks.progress.display import progress
    from benchmarks.tools.export import predict as predicting
    from benchmarks.tools.export.model import read

    paths = predicting.find_images(image)
    opened = read(model)
    found = []
    # keep the progress display out of piped output
    shown = progress() if csv_file or sys.stdout.isatty() else contextlib.nullcontext(lambda *_: None)
    with shown as advance:
        for one in predicting.predict(opened, paths, top, lambda done, total: advance("predicting", done, total)):
            found.append(one)
            if not one.readable:
                print(f"warning: {one_line(one.path)} cannot be read as an image; it is skipped.", file=sys.stderr)
            elif not csv_file:
                print(_line(one, below))
    if csv_file:
        _write(csv_file, found, below)
    unreadable = sum(not one.readable for one in found)
    unsure = sum(one.unsure(below) for one in found)
    print(f"{len(found)} images: {unsure} unsure (below {below:g}), {unreadable} unreadable.")
    return 1 if unreadable else 0


def _line(one: Prediction, below: float) -> str:
    answers = zip(one.classes, one.probabilities, strict=True)
    mark = " (unsure)" if one.unsure(below) else ""
    return one_line(f"{one.path}: {', '.join(f'{name} {p:.3f}' for name, p in answers)}{mark}")


def _write(path: Path, found: Sequence[Prediction], below: float) -> None:
    from backbones.files import write_bytes
    from benchmarks.tools.export.table import header, row

    text = io.StringIO(newline="")
    writer = csv.writer(text)
    most = max((len(one.classes) for one in found), default=0)
    writer.writerow(header(most))
    writer.writerows(row(one, below) for one in found if one.readable)
    write_bytes(path, text.getvalue().encode("utf-8", errors="surrogateescape"))
