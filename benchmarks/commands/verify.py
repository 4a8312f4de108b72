"""`verify`: run a finished cell again and compare; and the options that name a finished cell."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmarks.commands.options import OWN, TableOptions, takes
from benchmarks.support.errors import one_line
from benchmarks.support.threads import use_threads

if TYPE_CHECKING:
    from benchmarks.tools.recorded import Recorded


@dataclasses.dataclass(frozen=True, kw_only=True)
class CellOptions(TableOptions):
    """Options of `verify` and `export`: a finished cell, and where to find what its record does not contain."""

    cell: Annotated[str, typer.Argument(metavar="CELL", help="backbone|strategy|seed, or a record's file.")]
    suite: Annotated[
        str | None, typer.Option(metavar="NAME|FILE.toml", help="Suite of the record; default: from its name.")
    ] = None
    data: Annotated[Path | None, typer.Option(metavar="PATH", help="The data of the record.")] = None
    plugin: Annotated[list[Path] | None, typer.Option(metavar="FILE.py", help="Python file with strategies.")] = None
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE.safetensors", help="The initial weights of the record.")
    ] = None
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder that holds <suite>/records.")] = OWN

    def open(self) -> Recorded:
        """Return the selected cell, and set this process's thread count to the one it was trained with."""
        from benchmarks.commands.opening import load_plugins
        from benchmarks.tools.recorded import Recorded, find_done

        load_plugins(self.plugin or ())
        record = find_done(self.out, self.cell, self.suite)
        use_threads(record.environment.threads)
        base = None if self.suite == record.suite else self.suite  # a suite with options is found by the record's name
        return Recorded(record=record, suite_name=base, data=self.data, of_table=self.of_table, weights=self.weights)


@takes(CellOptions)
def verify(options: CellOptions, _: typer.Context) -> int:
    """Run a finished cell again and compare; exit 1 and print the first difference, if any."""
    from benchmarks.tools import verify as tool

    cell, out = options.open(), options.out
    record, name = cell.record, one_line(cell.record.name)
    with tempfile.TemporaryDirectory() as folder:
        fresh = tool.run_again(cell, Path(folder))
        agreed = tool.agreement(record, fresh, out)
        different = tool.same_cell(record, fresh) or next(tool.differences(record, fresh, out, Path(folder)), None)
    if different is None:
        print(f"{name}: the same {agreed}.")
        return 0
    print(f"{name}: {different}.")
    for line in tool.machine_changes(record, fresh):
        print(f"  {line}")
    return 1
