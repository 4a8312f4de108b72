"""`verify`: run a finished cell again and compare the results bit by bit."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.commands.options import ImageRoot
from benchmarks.support.errors import one_line
from benchmarks.support.threads import use_threads


def verify(
    cell: Annotated[str, typer.Argument(metavar="CELL", help="backbone|strategy|seed, or a record's file.")],
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
    """Run a finished cell again and compare; exit 1 and print the first difference, if any."""
    from benchmarks.commands.opening import load_plugins
    from benchmarks.suites.settings import with_image_root
    from benchmarks.tools import verify as again

    load_plugins(plugin or ())
    record = again.find_done(out, cell)
    name = one_line(record.name)
    asked = with_image_root(again.suite_of(record, suite), image_root)
    use_threads(record.environment.threads)
    with tempfile.TemporaryDirectory() as folder:
        fresh = again.run(record, asked, Path(folder), data, weights)
        agreed = again.agreement(record, fresh, out)
        different = again.same_cell(record, fresh) or next(again.differences(record, fresh, out, Path(folder)), None)
    if different is None:
        print(f"{name}: the same {agreed}.")
        return 0
    print(f"{name}: {different}.")
    for line in again.machine_changes(record, fresh):
        print(f"  {line}")
    return 1
