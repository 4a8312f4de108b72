"""What `run` and `tune` share: opening a session in this process or on Ray, and running plans in it."""

from __future__ import annotations

import contextlib
import functools
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.commands.opening import open_asked, ready_to_run
from benchmarks.commands.options import ExecuteOptions, Executor, check_executor
from benchmarks.support.threads import use_threads

if TYPE_CHECKING:
    from benchmarks.planning.plan import Cell
    from benchmarks.progress.reporter import Reporter
    from benchmarks.running.cells import Outcome
    from benchmarks.running.session import Request, Session
    from benchmarks.running.supervised import Supervised
    from benchmarks.suites.suite import Suite

SMALL_IMAGES_PX = 64
WORTH_STARTING_RAY_JOBS = 20


class Opened:
    """An open session, and how it, or another one on the same data, is carried out."""

    def __init__(self, session: Session, options: ExecuteOptions, execute_plan: Callable[..., Outcome]) -> None:
        """`execute_plan` is an executor's `execute`, with what does not change from plan to plan."""
        self.session, self._options, self._execute_plan = session, options, execute_plan

    def execute(
        self,
        session: Session,
        out: Path,
        only: Sequence[Cell] | None = None,
        wrap: Callable[[Reporter], Reporter] = lambda reporter: reporter,
    ) -> Outcome:
        """Run the cells of a session, or of `only` these, that have no record below `out`.

        What they read is made first: stored features are. `wrap` may change what the user is told of the run.
        """
        session = ready_to_run(session)
        told = wrap(_reporter(session, out, self._options))
        timeout = self._options.job_timeout
        return self._execute_plan(session.plan, session.context, out, told, only=only, job_timeout=timeout)


@contextlib.contextmanager
def writing(options: ExecuteOptions, command: str) -> Iterator[Callable[[], None]]:
    """Yield what makes this process the only writer of the output folder, from its call until the block ends.

    `command` is its name, shown to others who wait for the folder.
    """
    with contextlib.ExitStack() as stack:

        def alone() -> None:
            """Hold the output folder."""
            from benchmarks.progress.reporter import say
            from benchmarks.support.lock import only_writer

            words = shlex.join([command, *sys.argv[2:]])
            stack.enter_context(only_writer(options.out, words, wait=options.wait, say=say))

        yield alone


@contextlib.contextmanager
def opened(
    options: ExecuteOptions,
    alone: Callable[[], None],
    supervised: Supervised | None,
    check: Callable[[Suite], None] = lambda _: None,
    split: int = 0,
) -> Iterator[Opened]:
    """Open what the options ask for, on a split of the data.

    `check` may refuse the suite; then `alone` is called, before data are loaded. Raises UserError for options that do
    not fit together.
    """
    check_executor(options.executor, options.address, options.jobs_per_device)
    if options.executor == Executor.RAY:
        with _on_ray(options, alone, supervised, check, split) as found:
            yield found
        return
    restarted, seconds = supervised is not None and supervised.restarted, options.checkpoint_seconds
    session = open_asked(
        options, ready=alone, checkpoint_seconds=seconds, restarted=restarted, split=split, check=check
    )
    from benchmarks.running.local import execute

    yield Opened(session, options, functools.partial(execute, supervised=supervised))


@contextlib.contextmanager
def _on_ray(
    options: ExecuteOptions,
    alone: Callable[[], None],
    supervised: Supervised | None,
    check: Callable[[Suite], None],
    split: int,
) -> Iterator[Opened]:
    """Open a session that is carried out on Ray, which is left when the block ends."""
    from benchmarks.running.ray import cluster

    with contextlib.ExitStack() as stack:
        shares = []

        def fit(request: Request) -> Request:
            """Join Ray, and request what one of its jobs gets."""
            stack.enter_context(cluster.joined(options.address))
            shares.append(cluster.share(request.device, options.jobs_per_device, options.threads))
            use_threads(shares[0].threads)
            return cluster.fit(request, shares[0])

        session = open_asked(options, fit, alone, options.checkpoint_seconds, split=split, check=check)
        from benchmarks.running.ray.driver import execute

        plugins = options.plugin or ()
        execute_plan = functools.partial(execute, given=shares[0], plugins=plugins, supervised=supervised)
        yield Opened(session, options, execute_plan)


def _reporter(session: Session, out: Path, options: ExecuteOptions) -> Reporter:
    """Return what reports the run's progress; print a line if there is nothing to do."""
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
    outlook = look(plan, session.context, stored_records(plan, out, suite))
    if len(outlook.stored) < len(plan.cells):
        if options.executor == Executor.LOCAL and (hint := would_be_faster(session, options, len(outlook.todo))):
            print(hint)
        reporters.append(make_reporter(outlook))
    else:
        print(f"All {len(plan.cells)} cells are done already: nothing to do.")
    return Reporters(*reporters)


def would_be_faster(session: Session, options: ExecuteOptions, jobs: int) -> str | None:
    """Return how this machine could run so many jobs faster than in this process; None if it cannot."""
    from benchmarks.support.hardware import idle_gpus, threads_side_by_side

    device = session.context.device.type
    if idle := idle_gpus(device):
        return f"This run uses one GPU and leaves {idle} idle: add --executor ray (`pip install -e .[ray]`)."
    threads, small = threads_side_by_side(device), session.context.suite.recipe.image_size <= SMALL_IMAGES_PX
    if threads and small and options.threads is None and jobs >= WORTH_STARTING_RAY_JOBS:
        return (
            "Images this small do not keep several cores busy, but parallel jobs do: add --executor ray "
            f"--threads {threads} (`pip install -e .[ray]`)."
        )
    return None
