"""What `run`, `tune` and `recommend` share: running the plans of sessions, in this process or on Ray."""

from __future__ import annotations

import contextlib
import functools
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.commands.opening import on_this_machine, open_asked, ready_to_run
from benchmarks.commands.options import ExecuteOptions, Executor, TrainOptions, check_executor
from benchmarks.support.threads import use_threads
from benchmarks.support.words import counted

if TYPE_CHECKING:
    from benchmarks.planning.plan import Cell, Plan
    from benchmarks.progress.reporter import Reporter
    from benchmarks.running.cells import Outcome
    from benchmarks.running.context import RunContext
    from benchmarks.running.ray.cluster import JobResources
    from benchmarks.running.session import Request, Session
    from benchmarks.running.supervised import Supervised
    from benchmarks.suites.suite import Suite


class Runner:
    """Runs plans, in this process or on Ray.

    `fit` adapts a request to the resources of one job and sets the thread count; call it before opening a session.
    `execute_plan` is an executor's `execute` with the arguments that are the same for every plan already bound.
    """

    def __init__(
        self, options: TrainOptions, fit: Callable[[Request], Request], execute_plan: Callable[..., Outcome]
    ) -> None:
        """Store the arguments."""
        self.fit, self._options, self._execute_plan = fit, options, execute_plan
        self._hinted = False

    def execute(
        self,
        session: Session,
        out: Path,
        only: Sequence[Cell] | None = None,
        wrap: Callable[[Reporter], Reporter] = lambda reporter: reporter,
    ) -> Outcome:
        """Run the session's cells (or those in `only`) that have no record below `out`.

        Computes the stored features that they read first. `wrap` may replace the reporter of the run.
        """
        session = ready_to_run(session)
        told = wrap(_reporter(session, out, self._options, hint=not self._hinted))
        self._hinted = True
        timeout = self._options.job_timeout
        return self._execute_plan(session.plan, session.context, out, told, only=only, job_timeout=timeout)


class Opened:
    """An open session, and the `execute` that runs it or another session on the same data."""

    def __init__(self, session: Session, runner: Runner) -> None:
        """Take `execute` from the runner."""
        self.session, self.execute = session, runner.execute


@contextlib.contextmanager
def writing(options: TrainOptions, command: str) -> Iterator[Callable[[], None]]:
    """Yield a function that makes this process the only writer of the output folder until the block ends.

    `command`: the name shown to other processes that wait for the folder.
    """
    with contextlib.ExitStack() as stack:

        def alone() -> None:
            """Lock the output folder."""
            from benchmarks.progress.reporter import say
            from benchmarks.support.lock import only_writer

            words = shlex.join([command, *sys.argv[2:]])
            stack.enter_context(only_writer(options.out, words, wait=options.wait, say=say))

        yield alone


@contextlib.contextmanager
def running(options: TrainOptions, supervised: Supervised | None) -> Iterator[Runner]:
    """Yield a runner; it joins Ray when the first request is fitted, and leaves it when the block ends.

    Raises UserError for conflicting options.
    """
    check_executor(options)
    if options.executor == Executor.LOCAL:
        restarted = supervised is not None and supervised.restarted

        def execute_here(plan: Plan, context: RunContext, *what: Any, **how: Any) -> Outcome:
            from benchmarks.running import local
            from benchmarks.running.pooled import execute as pooled

            execute = pooled.execute if context.jobs > 1 else local.execute
            return execute(plan, context, *what, **how, supervised=supervised)

        yield Runner(options, functools.partial(on_this_machine, options, restarted=restarted), execute_here)
        return
    from benchmarks.running.ray import cluster

    with contextlib.ExitStack() as stack:

        @functools.cache
        def share() -> JobResources:
            stack.enter_context(cluster.joined(options.address))
            return cluster.share(options.device.value, options.jobs_per_device, options.threads)

        def fit(request: Request) -> Request:
            use_threads(share().threads)
            return cluster.fit(request, share())

        def execute_there(*what: Any, **how: Any) -> Outcome:
            from benchmarks.running.ray.driver import execute

            return execute(*what, **how, given=share(), plugins=options.plugin or (), supervised=supervised)

        yield Runner(options, fit, execute_there)


@contextlib.contextmanager
def opened(
    options: ExecuteOptions,
    alone: Callable[[], None],
    supervised: Supervised | None,
    check: Callable[[Suite], None] = lambda _: None,
    split: int = 0,
) -> Iterator[Opened]:
    """Open the session that the options describe, on a split of the data.

    `check` may reject the suite; `alone` is called after it and before the data are loaded. Raises UserError for
    conflicting options.
    """
    with running(options, supervised) as runner:
        yield Opened(open_asked(options, runner.fit, alone, options.checkpoint_seconds, split, check), runner)


def _reporter(session: Session, out: Path, options: TrainOptions, *, hint: bool) -> Reporter:
    """Return the run's reporter; print a line if there is nothing to do, or a hint if it could run faster."""
    from benchmarks.progress.display import make_reporter
    from benchmarks.progress.reporter import Reporters
    from benchmarks.running.cells import stored_records
    from benchmarks.running.estimate import look
    from benchmarks.support.hardware import idle_gpus

    reporters: list[Reporter] = []
    if options.tensorboard:
        from benchmarks.progress.tensorboard import TensorBoardReporter

        reporters.append(TensorBoardReporter(options.tensorboard, session.context.store))
    if options.executor == Executor.RAY or session.context.jobs > 1:
        from benchmarks.progress.job_logs import JobLogs

        reporters.append(JobLogs(session.context.store.work))
    plan, suite = session.plan, session.context.suite.name
    outlook = look(plan, session.context, stored_records(plan, out, suite))
    if len(outlook.stored) < len(plan.cells):
        if hint and options.executor == Executor.LOCAL and (idle := idle_gpus(session.context.device)):
            print(f"This run uses one GPU and leaves {idle} idle: add --executor ray (`pip install -e .[ray]`).")
        reporters.append(make_reporter(outlook))
    else:
        print(f"All is done already ({counted(len(plan.cells), 'cell')}): nothing to do.")
    return Reporters(*reporters)
