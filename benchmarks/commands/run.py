"""`run`: train what is missing, score it, rank it."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from benchmarks.commands.opening import open_asked, ready_to_run
from benchmarks.commands.options import Executor, RunOptions, takes
from benchmarks.commands.plan import print_plans
from benchmarks.support.disk import DiskFull
from benchmarks.support.errors import UserError
from benchmarks.support.threads import use_threads

if TYPE_CHECKING:
    from benchmarks.planning.plan import Cell
    from benchmarks.progress.reporter import Reporter
    from benchmarks.running.cells import Outcome
    from benchmarks.running.session import Request, Session
    from benchmarks.running.supervised import Supervised

SMALL_IMAGES_PX = 64
WORTH_STARTING_RAY_JOBS = 20


@takes(RunOptions)
def run(options: RunOptions, context: typer.Context) -> int:
    """Train and score what is not there yet."""
    named = bool(options.backbone or options.strategy)
    if (options.all and named) or not (options.all or named or options.retry_failed):
        raise UserError(
            "run takes either --all, or --backbone and --strategy (the suite serves for the one left out); "
            "`run --all` runs the suite as it is."
        )
    if options.executor == Executor.LOCAL and (options.address or options.jobs_per_device):
        raise UserError("--address and --jobs-per-device belong to Ray; add --executor ray, or leave them out.")
    if options.dry_run:
        print_plans(options)
        return 0
    with contextlib.ExitStack() as stack:

        def alone() -> None:
            """Hold the output folder until the run ends, as its only writer."""
            from benchmarks.progress.reporter import say
            from benchmarks.support.lock import only_writer

            command = shlex.join(["run", *sys.argv[2:]])
            stack.enter_context(only_writer(options.out, command, wait=options.wait, say=say))

        carry_out = _on_ray if options.executor == Executor.RAY else _here
        told = [carry_out(options, alone, context.obj, 0)]
        told += [carry_out(options, lambda: None, context.obj, split) for split in range(1, options.resample_splits)]
        _print_results([session for session, _ in told], options.out)
        return max(_print_failures(outcome, session) for session, outcome in told)


def _here(
    options: RunOptions, alone: Callable[[], None], supervised: Supervised | None, split: int
) -> tuple[Session, Outcome]:
    """Carry the plan of a split out in this process."""
    restarted = supervised is not None and supervised.restarted
    session = ready_to_run(
        open_asked(
            options, ready=alone, checkpoint_seconds=options.checkpoint_seconds, restarted=restarted, split=split
        )
    )
    from benchmarks.running.local import execute

    reporter, only = _reporter(session, options), _only(session, options)
    with _results_if_interrupted(session, options.out):
        return session, execute(
            session.plan, session.context, options.out, reporter, only=only, job_timeout=options.job_timeout,
            supervised=supervised,
        )  # fmt: skip


def would_be_faster(session: Session, options: RunOptions, jobs: int) -> str | None:
    """Return how this machine would be done with so many jobs sooner than in this process, if there is a way."""
    from benchmarks.support.hardware import idle_gpus, threads_side_by_side

    device = session.context.device.type
    if idle := idle_gpus(device):
        return f"One GPU trains, {idle} more would: add --executor ray (`pip install -e .[ray]`)."
    threads, small = threads_side_by_side(device), session.context.suite.recipe.image_size <= SMALL_IMAGES_PX
    if threads and small and options.threads is None and jobs >= WORTH_STARTING_RAY_JOBS:
        return (
            "Images so small do not keep several cores busy; jobs side by side do: add --executor ray "
            f"--threads {threads} (`pip install -e .[ray]`)."
        )
    return None


def _only(session: Session, options: RunOptions) -> list[Cell] | None:
    """Return the cells to which the run is limited, None for all."""
    from benchmarks.running.cells import failed_cells

    if not options.retry_failed:
        return None
    found = failed_cells(session.plan, options.out, session.context.suite.name)
    if not found:
        print("None of these cells failed: there is nothing to try again.")
    return found


def _on_ray(
    options: RunOptions, alone: Callable[[], None], supervised: Supervised | None, split: int
) -> tuple[Session, Outcome]:
    """Carry the plan of a split out on Ray."""
    from benchmarks.running.ray import cluster

    with contextlib.ExitStack() as stack:
        shares = []

        def fit(request: Request) -> Request:
            """Join Ray, and ask only for what one of its jobs gets."""
            stack.enter_context(cluster.joined(options.address))
            shares.append(cluster.share(request.device, options.jobs_per_device, options.threads))
            use_threads(shares[0].threads)
            return cluster.fit(request, shares[0])

        session = ready_to_run(open_asked(options, fit, alone, options.checkpoint_seconds, split=split))
        from benchmarks.running.ray.driver import execute

        reporter, only = _reporter(session, options), _only(session, options)
        with _results_if_interrupted(session, options.out):
            outcome = execute(
                session.plan, session.context, options.out, reporter, given=shares[0], only=only,
                plugins=options.plugin or (), job_timeout=options.job_timeout,
                supervised=supervised,
            )  # fmt: skip
    return session, outcome


def _reporter(session: Session, options: RunOptions) -> Reporter:
    """Return all that is to be told of the run; where everything is there already, say so."""
    from benchmarks.progress.display import make_reporter
    from benchmarks.progress.reporter import Reporters
    from benchmarks.running.cells import stored_records
    from benchmarks.running.estimate import look

    reporters: list[Reporter] = []
    if options.tensorboard:
        from benchmarks.progress.tensorboard import TensorBoardReporter

        reporters.append(TensorBoardReporter(options.tensorboard, session.context.store))
    if options.executor == Executor.RAY:
        from benchmarks.progress.job_logs import JobLogs

        reporters.append(JobLogs(session.context.store.work))
    plan, suite = session.plan, session.context.suite.name
    outlook = look(plan, session.context, stored_records(plan, options.out, suite))
    if len(outlook.stored) < len(plan.cells):
        if options.executor == Executor.LOCAL and (hint := would_be_faster(session, options, len(outlook.todo))):
            print(hint)
        reporters.append(make_reporter(outlook))
    else:
        print(f"All {len(plan.cells)} cells are there already: nothing to do.")
    return Reporters(*reporters)


@contextlib.contextmanager
def _results_if_interrupted(session: Session, out: Path) -> Iterator[None]:
    """Let an interrupt or a full disk end the run only once the results of the cells that have records are told."""
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

    from benchmarks.leaderboard.files import write
    from benchmarks.leaderboard.short import columns
    from benchmarks.records.ranking import ranking
    from benchmarks.records.storage import safe_name
    from benchmarks.running.cells import stored_records

    suite = sessions[0].context.suite.name
    page: Path | None = out / safe_name(suite) / "leaderboard.md"
    try:
        problems = write(out)
    except UserError as error:  # it must not hide which cells failed
        problems, page = [f"{error} Then make the pages with `leaderboard --out {out}`."], None
    for problem in problems:
        print(f"warning: {problem}", file=sys.stderr)
    rows = ranking(record for one in sessions for record in stored_records(one.plan, out, suite).values())
    if rows:
        shown = columns(rows[0])
        table = list(zip(*(column.texts(rows) for column in shown), strict=True))
        names, align = [c.header for c in shown], ["left" if c.left else "right" for c in shown]
        print(f"\n{tabulate(table, names, tablefmt='simple', disable_numparse=True, colalign=align)}")
    if page:
        print(f"\nLeaderboard: {page}")


def _print_failures(outcome: Outcome, session: Session) -> int:
    """Name the cells that failed and where their tracebacks are; return the exit code."""
    if not outcome.failed:
        return 0
    for cell in outcome.failed:
        path = session.context.store.work / "failures" / f"{cell.key}.txt"
        trace = f"; traceback: {path}" if path.exists() else ""  # none where the disk was full
        print(f"failed: {cell.name}{trace}", file=sys.stderr)
    cells = f"{len(outcome.failed)} of {len(session.plan.cells)} cells failed"
    print(f"{cells}; the same command tries them again, with --retry-failed them alone.", file=sys.stderr)
    return 1
