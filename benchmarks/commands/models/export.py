"""`export`: write a trained cell as a folder that works without this package."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.commands.options import ImageRoot
from benchmarks.support.errors import one_line
from benchmarks.support.threads import use_threads

RECOMMENDED = "recommended"


class StageName(StrEnum):
    """The stages of both protocols."""

    HEAD = "head"
    TAIL = "tail"
    ALL = "all"


def export(
    cell: Annotated[
        str,
        typer.Argument(
            metavar="CELL", help="backbone|strategy|seed, a record's file, or recommended: `recommend`'s pick."
        ),
    ],
    to: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write; empty, or not there yet.")],
    stage: Annotated[StageName | None, typer.Option(help="Stage to export; default: the last.")] = None,
    suite: Annotated[
        str | None, typer.Option(metavar="NAME|FILE.toml", help="Suite of the record; default: from its name.")
    ] = None,
    data: Annotated[Path | None, typer.Option(metavar="PATH", help="The data of the record.")] = None,
    image_root: ImageRoot = None,
    plugin: Annotated[list[Path] | None, typer.Option(metavar="FILE.py", help="Python file with strategies.")] = None,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE.safetensors", help="The initial weights of the record.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder that holds <suite>/records.")] = Path("runs"),
) -> int:
    """Write a trained cell as a model: weights, ONNX, labels, calibration, and a model card."""
    from benchmarks.commands.opening import load_plugins
    from benchmarks.progress.display import progress
    from benchmarks.progress.reporter import say
    from benchmarks.tools import verify
    from benchmarks.tools.export import export as exporting

    if cell == RECOMMENDED:
        from benchmarks.tools.recommend import saved

        answer = saved.latest(out)
        cell = str(answer.record(out))
        data = data or (answer.data and Path(answer.data)) or None
        image_root = image_root or (answer.image_root and Path(answer.image_root)) or None
        plugin = plugin or [Path(file) for file in answer.plugins]
    load_plugins(plugin or ())
    record = verify.find_done(out, cell)
    name = one_line(record.name)
    use_threads(record.environment.threads)
    asked = exporting.Asked(
        record=record,
        to=to,
        out=out,
        stage=stage and stage.value,
        suite=suite,
        image_root=image_root,
        data=data,
        weights=weights,
    )
    with progress() as advance:
        exporting.export(asked, say, advance)
    print(f"{name}: written to {to}. See {to / 'README.md'}.")
    return 0
