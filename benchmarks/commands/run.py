"""`run`: train what is missing, score it, rank it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from benchmarks.commands.executing import opened, writing
from benchmarks.commands.options import ExecuteOptions, RunOptions, takes
from benchmarks.commands.plan import print_plans
from benchmarks.support.disk import DiskFull
from benchmarks.support.errors import UserError

if TYPE_CHECKING:
    from benchmarks.planning.plan import Cell
    from benchmarks.running.cells import Outcome
    from benchmarks.running.session import Session
    from benchmarks.running.supervised import Supervised


@takes(RunOptions)
def run(options: RunOptions, context: typer.Context) -> int:
    """Train and score the cells that have no record yet."""
    require_names("run", options, named=options.retry_failed)
    if options.dry_run:
        print_plans(options)
        return 0
    with writing(options, "run") as alone:
        told = [_run_split(options, alone, context.obj, 0)]
        told += [_run_split(options, lambda: None, context.obj, split) for split in range(1, options.resample_splits)]
        _print_results([session for session, _ in told], options.out)
        hint = ", with --retry-failed only them"
        return max(print_failures(outcome, session, hint) for session, outcome in told)


def require_names(command: str, options: ExecuteOptions, *, named: bool = False) -> None:
    """Raise UserError unless the options select cells: all, by name, or in another way (`named`)."""
    by_name = bool(options.backbone or options.strategy)
    if options.all and by_name:
        raise UserError("--all is the whole suite, so it takes no --backbone or --strategy; leave one of them out.")
    if not (options.all or by_name or named):
        raise UserError(
            f"{command} needs to know what to train: add --all for the whole suite, or choose with --backbone and "
            "--strategy (of the one left out, all that the suite has)."
        )


def _run_split(
    options: RunOptions, alone: Callable[[], None], supervised: Supervised | None, split: int
) -> tuple[Session, Outcome]:
    """Run the plan of a split."""
    with opened(options, alone, supervised, split=split) as found, _results_if_interrupted(found.session, options.out):
        return found.session, found.execute(found.session, options.out, _only(found.session, options))


def _only(session: Session, options: RunOptions) -> list[Cell] | None:
    """Return the cells to which the run is limited, None for all."""
    from benchmarks.running.cells import failed_cells

    if not options.retry_failed:
        return None
    found = failed_cells(session.plan, options.out, session.context.suite.name)
    if not found:
        print("None of these cells failed: there is nothing to try again.")
    return found


@contextlib.contextmanager
def _results_if_interrupted(session: Session, out: Path) -> Iterator[None]:
    """If an interrupt or a full disk ends the run, print the results of the finished cells first."""
    from benchmarks.records.storage import safe_name

    try:
        yield
    except (KeyboardInterrupt, DiskFull):
        if any((out / safe_name(session.context.suite.name) / "records").glob("*/*.json")):
            _print_results([session], out)
        raise


def _print_results(sessions: Sequence[Session], out: Path) -> None:
    """Regenerate the leaderboards and print the short ranking over all splits."""
    from tabulate import tabulate

    from benchmarks.leaderboard.short import columns
    from benchmarks.records.kinds import NOTE, transductive
    from benchmarks.records.ranking import ranking
    from benchmarks.running.cells import stored_records

    suite = sessions[0].context.suite.name
    page = write_pages(out, suite)
    rows = ranking(record for one in sessions for record in stored_records(one.plan, out, suite).values())
    if rows:
        shown = columns(rows[0])
        table = list(zip(*(column.texts(rows) for column in shown), strict=True))
        names, align = [c.header for c in shown], ["left" if c.left else "right" for c in shown]
        print(f"\n{tabulate(table, names, tablefmt='simple', disable_numparse=True, colalign=align)}")
        if any(transductive(row.strategy) for row in rows):
            print(NOTE)
    if page:
        print(f"\nLeaderboard: {page}")


def write_pages(out: Path, suite: str) -> Path | None:
    """Regenerate the leaderboards, warning of unreadable files; return the page of `suite`, None on failure."""
    from benchmarks.leaderboard.files import write
    from benchmarks.records.storage import safe_name

    page: Path | None = out / safe_name(suite) / "leaderboard.md"
    try:
        problems = write(out)
    except UserError as error:  # the caller still has to report which cells failed
        problems, page = [f"{error} Then make the pages with `leaderboard --out {out}`."], None
    for problem in problems:
        print(f"warning: {problem}", file=sys.stderr)
    return page


def print_failures(outcome: Outcome, session: Session, hint: str = "") -> int:
    """Name the cells that failed and where their tracebacks are; return the exit code.

    `hint`: another way to retry them, besides the same command.
    """
    if not outcome.failed:
        return 0
    for cell in outcome.failed:
        path = session.context.store.work / "failures" / f"{cell.key}.txt"
        trace = f"; traceback: {path}" if path.exists() else ""  # none where the disk was full
        print(f"failed: {cell.name}{trace}", file=sys.stderr)
    cells = f"{len(outcome.failed)} of {len(session.plan.cells)} cells failed"
    print(f"{cells}; the same command tries them again{hint}.", file=sys.stderr)
    return 1
