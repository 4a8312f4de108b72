"""`export`: write a trained cell as a folder that works without this package."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmarks.commands.options import takes
from benchmarks.commands.verify import CellOptions
from benchmarks.support.errors import one_line

if TYPE_CHECKING:
    from benchmarks.tools.recommend.saved import Recommended

RECOMMENDED = "recommended"


class StageName(StrEnum):
    """The stages of both protocols."""

    HEAD = "head"
    TAIL = "tail"
    ALL = "all"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportOptions(CellOptions):
    """Options of `export`."""

    cell: Annotated[
        str,
        typer.Argument(
            metavar="CELL", help="backbone|strategy|seed, a record's file, or recommended: `recommend`'s pick."
        ),
    ]
    to: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write; empty or new.")]
    stage: Annotated[StageName | None, typer.Option(help="Stage to export; default: the last.")] = None
    hub: Annotated[
        str | None, typer.Option(metavar="OWNER/NAME", help="Also push it to this repository of the Hugging Face hub.")
    ] = None

    def of(self, answer: Recommended) -> ExportOptions:
        """Return the options with the cell, data and plugins of a recommendation."""
        return dataclasses.replace(
            self,
            cell=str(answer.record(self.out)),
            data=self.data or (Path(answer.data) if answer.data else None),
            image_root=self.image_root or (Path(root) if (root := answer.of_table.get("image_root")) else None),
            label_column=self.label_column or answer.of_table.get("label_column"),
            image_column=self.image_column or answer.of_table.get("image_column"),
            plugin=self.plugin or [Path(file) for file in answer.plugins],
        )


@takes(ExportOptions)
def export(options: ExportOptions, _: typer.Context) -> int:
    """Write a trained cell as a model: weights, ONNX, labels, calibration, and a model card."""
    from benchmarks.progress.display import progress
    from benchmarks.progress.reporter import say
    from benchmarks.tools.export.export import export as write

    chosen: tuple[str, ...] = ()
    if options.cell == RECOMMENDED:
        from benchmarks.tools.recommend import saved

        answer = saved.latest(options.out)
        options, chosen = options.of(answer), answer.chosen
    if options.hub is not None:
        from benchmarks.tools.export.hub import push, require_hub

        require_hub(options.hub)
    cell, to = options.open(), options.to
    with progress() as advance:
        weights = write(cell, options.stage and options.stage.value, options.out, to, say, advance, chosen)
    print(f"{one_line(cell.record.name)}: written to {to}. See {to / 'README.md'}.")
    if options.hub is not None:
        print(f"Pushed to {push(to, options.hub, weights)}.")
    return 0
