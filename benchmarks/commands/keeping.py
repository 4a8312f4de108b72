"""`status` and `clean`: show what an output folder contains, and remove what can be recomputed."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.commands.options import OWN, PUBLISHED, with_records
from benchmarks.support.errors import UserError, one_line
from benchmarks.support.words import counted

Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder with records and leaderboards.")]


def status(
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder with records; default: runs, or results.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Name every missing cell.")] = False,
) -> int:
    """Show what is done, failed and missing, and whether a run is active."""
    from tabulate import tabulate

    from benchmarks.progress.reporter import outcome
    from benchmarks.support.lock import held, holder
    from benchmarks.tools.status import look

    # a run without records yet has a working folder
    out = out or (OWN if (OWN / ".work").is_dir() else with_records(OWN, PUBLISHED))
    _require(out)
    state = look(out)
    print(f"{out}: {holder(out) or 'a process'} is at work." if held(out) else f"{out}: no run is active.")
    rows = [[one_line(s.name), len(s.done), len(s.failed), len(s.missing)] for s in state.suites]
    print(f"\n{tabulate(rows, ['suite', 'done', 'failed', 'missing'], tablefmt='simple')}\n")
    for suite in state.suites:
        for record in suite.failed:
            print(one_line(f"{record.name}: {outcome(record)}"))
        for record in suite.done:
            for note in record.notes:
                print(one_line(f"{record.name}: {note}"))
        for cell in suite.missing if all_ else ():
            print(one_line(f"{cell.name}: missing"))
        if suite.missing and not all_:
            print(f"{one_line(suite.name)}: missing: {counted(len(suite.missing), 'cell')}; --all names them.")
    print(f"jobs: {state.finished} finished, {state.begun} begun")
    kinds = ", ".join(f"{kind} {_megabytes(size)}" for kind, size in state.sizes.items())
    print(f"disk: {_megabytes(sum(state.sizes.values()))} ({kinds})")
    for problem in state.problems:
        print(f"warning: {one_line(problem)}", file=sys.stderr)
    return 1 if state.problems else 0


def clean(
    out: Out = OWN,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would be removed, and remove nothing.")] = False,
    cache: Annotated[
        bool, typer.Option("--cache", help="Empty the cache of decoded images and features instead of --out.")
    ] = False,
) -> int:
    """Remove files that can be recomputed; records, predictions and fetched data stay."""
    from benchmarks.support.lock import only_writer
    from benchmarks.tools.clean import removable, removable_from_cache, remove

    if cache:
        from benchmarks.data.load import cache_folder

        place = cache_folder()
        print(f"The cache is {place}.")
        return _clean(list(removable_from_cache(place)), dry_run, lambda files: remove(place, files))
    _require(out)
    if not (out / ".work").is_dir():  # no run has written here: do not leave a lock file
        print(f"{out} has no working files of runs: there is nothing to remove.")
        return 0
    with only_writer(out, shlex.join(["clean", *sys.argv[2:]]), wait=False, say=print):
        return _clean(list(removable(out)), dry_run, lambda files: remove(out, files))


def _clean(files: list[Path], dry_run: bool, remove: Callable[[list[Path]], None]) -> int:
    """Remove or list the files, and print their size."""
    size = sum(path.lstat().st_size for path in files)
    if dry_run:
        print("".join(f"{path}\n" for path in files), end="")
    else:
        try:
            remove(files)
        except OSError as error:
            raise UserError(f"{error.filename} cannot be removed ({error.strerror}).") from error
    print(f"{counted(len(files), 'file')}, {_megabytes(size)}: {'would be removed' if dry_run else 'removed'}.")
    return 0


def _require(out: Path) -> None:
    if not out.is_dir():
        raise UserError(f"there is no folder {out}; run something first, or name a folder of results with --out.")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
