"""`recommend`: which strategy for these images, with evidence, within a budget."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmarks.commands.options import MOST_THREADS, OWN, Device, Executor, ImageRoot, check_executor, takes
from benchmarks.support.errors import UserError

if TYPE_CHECKING:
    from benchmarks.planning.plan import Plan
    from benchmarks.progress.reporter import Reporter
    from benchmarks.running.cells import Outcome
    from benchmarks.running.session import Request, Session
    from benchmarks.running.supervised import Supervised
    from benchmarks.suites.suite import Suite
    from benchmarks.tools.recommend.search import Carry


class Goal(StrEnum):
    """What the recommended strategy is to maximise."""

    CLASS_MEAN = "class-mean"
    WORST_CLASS = "worst-class"
    MACRO_F1 = "macro-f1"
    TOP_1 = "top-1"


@dataclasses.dataclass(frozen=True)
class RecommendOptions:
    """What `recommend` takes, as typed."""

    data: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Your data: folder, zip, CSV or Parquet shards.")
    ] = None
    budget: Annotated[str, typer.Option(metavar="TIME", help="How long it may take: 30m, 2h, 90s.")] = "30m"
    goal: Annotated[Goal, typer.Option(help="What to maximise.")] = Goal.CLASS_MEAN
    keep_head: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, metavar="SHARE",
            help="The pick may not cost the most frequent classes more class mean than this, such as 0.01.",
        ),
    ] = None  # fmt: skip
    suite: Annotated[
        str, typer.Option(metavar="NAME|FILE.toml", help="auto, a suite of `list suites`, or a TOML file.")
    ] = "auto"
    strategy: Annotated[
        list[str] | None, typer.Option(metavar="NAME,...", help="Try only these strategies, and none.")
    ] = None
    backbone: Annotated[str | None, typer.Option(metavar="NAME", help="Backbone; default: efficientnet_lite0.")] = None
    image_root: ImageRoot = None
    image_size: Annotated[
        int | None, typer.Option(min=8, metavar="PX", help="Image size; default: by the budget, at most 128.")
    ] = None
    device: Annotated[Device, typer.Option(help="Where to train.")] = Device.AUTO
    threads: Annotated[int | None, typer.Option(min=1, max=MOST_THREADS, metavar="N", help="CPU threads.")] = None
    executor: Annotated[Executor, typer.Option(help="Run in this process, or on Ray.")] = Executor.LOCAL
    address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT|auto", help="Ray cluster to join; default: one of its own, here.")
    ] = None
    jobs_per_device: Annotated[
        int | None, typer.Option(min=1, metavar="K", help="On Ray: jobs that share a GPU, or a machine's cores.")
    ] = None
    plugin: Annotated[
        list[Path] | None, typer.Option(metavar="FILE.py", help="Python file with further strategies.")
    ] = None
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for records and the recommendation.")] = OWN
    wait: Annotated[bool, typer.Option("--wait", help="Wait for another run in the same folder to end.")] = False


@takes(RecommendOptions)
def recommend(options: RecommendOptions, context: typer.Context) -> int:
    """Find the strategy that suits your images, and say why, within a budget."""
    started = time.monotonic()
    from benchmarks.tools.recommend.budget import seconds_of

    budget_s = seconds_of(options.budget)
    check_executor(options.executor, options.address, options.jobs_per_device)
    suite, said = _suite(options, budget_s)
    from benchmarks.progress.reporter import say
    from benchmarks.support.lock import only_writer
    from benchmarks.tools.recommend import recommend as recommending

    asked = recommending.Asked(
        suite=suite, said=tuple(said), goal=options.goal.value,
        keep=math.inf if options.keep_head is None else options.keep_head, budget_s=budget_s, started=started,
        out=options.out, data=options.data, image_root=options.image_root, plugins=tuple(options.plugin or ()),
        strategies=_strategies(options), suite_file=options.suite if options.suite.endswith(".toml") else None,
    )  # fmt: skip
    with contextlib.ExitStack() as stack:
        stack.enter_context(
            only_writer(options.out, shlex.join(["recommend", *sys.argv[2:]]), wait=options.wait, say=say)
        )
        fit, carry = (_on_ray if options.executor == Executor.RAY else _here)(options, stack, context.obj)
        ports = recommending.Ports(functools.partial(_open, options, fit), carry, _reporter, say)
        lines, page = recommending.recommend(asked, ports)
        _write_pages(options.out, page.parent.name)
    print("\n" + "\n".join(lines))
    print(f"\nEvidence: {page}")
    return 0


def _suite(options: RecommendOptions, budget_s: float) -> tuple[Suite, list[str]]:
    """Return the suite to run, and say it."""
    from benchmarks.commands.opening import load_plugins
    from benchmarks.tools.recommend.setup import suite_for

    load_plugins(options.plugin or ())
    suite, said = suite_for(
        options.suite, options.data, device=options.device.value, budget_s=budget_s, image_root=options.image_root,
        image_size_px=options.image_size, backbone=options.backbone,
    )  # fmt: skip
    print("\n".join((f"Suite {suite.name}: {suite.title}.", *said)), flush=True)
    return suite, said


def _strategies(options: RecommendOptions) -> tuple[str, ...]:
    """Return the strategies that were asked for, plain training first; none for all."""
    from benchmarks.tools.recommend.candidates import PLAIN
    from strategies.combining.expression import expand

    asked = expand(tuple(options.strategy or ()))
    return tuple(dict.fromkeys((PLAIN, *asked))) if asked else ()


def _open(
    options: RecommendOptions, fit: Callable[[Request], Request], suite: Suite, strategies: Sequence[str], seed: int
) -> Session:
    """Return a session on the suite, with all that its jobs read."""
    from benchmarks.commands.opening import ready_to_run
    from benchmarks.progress.display import progress
    from benchmarks.running.session import Request, open_session

    suite = suite.model_copy(update={"strategies": tuple(strategies)})  # those that lack something are left out
    say = (lambda line: print(line, flush=True)) if not seed else (lambda line: None)  # once is enough
    named = ("none", *options.strategy) if options.strategy else ()  # of which each must be able to run
    request = Request(
        suite=suite, data=options.data, strategies=named, seed=seed, device=options.device.value, out=options.out
    )
    with progress() as advance:
        session = open_session(fit(request), say, advance)
    return ready_to_run(session)


def _reporter(plan: Plan, session: Session) -> Reporter:
    """Return what shows the run of a plan."""
    from benchmarks.progress.display import make_reporter
    from benchmarks.running.cells import stored_records
    from benchmarks.running.estimate import look

    context = session.context
    return make_reporter(look(plan, context, stored_records(plan, context.store.work.parent, context.suite.name)))


def _here(
    options: RecommendOptions, stack: contextlib.ExitStack, supervised: Supervised | None
) -> tuple[Callable[[Request], Request], Carry]:
    """Return what fits a request to this machine, and what carries plans out in this process."""
    from benchmarks.commands.opening import threads_here
    from benchmarks.running.local import execute
    from benchmarks.support.threads import use_threads

    restarted = supervised is not None and supervised.restarted
    use_threads(options.threads or threads_here(options.device, options.out, restarted))

    def carry(plan: Plan, session: Session, reporter: Reporter) -> Outcome:
        return execute(plan, session.context, options.out, reporter, supervised=supervised)

    return lambda request: request, carry


def _on_ray(
    options: RecommendOptions, stack: contextlib.ExitStack, supervised: Supervised | None
) -> tuple[Callable[[Request], Request], Carry]:
    """Join Ray; return what fits a request to one of its jobs, and what carries plans out there."""
    from benchmarks.running.ray import cluster
    from benchmarks.support.threads import use_threads

    stack.enter_context(cluster.joined(options.address))
    share = cluster.share(options.device.value, options.jobs_per_device, options.threads)
    use_threads(share.threads)

    def carry(plan: Plan, session: Session, reporter: Reporter) -> Outcome:
        from benchmarks.running.ray.driver import execute

        return execute(
            plan, session.context, options.out, reporter, given=share, plugins=options.plugin or (),
            supervised=supervised,
        )  # fmt: skip

    return lambda request: cluster.fit(request, share), carry


def _write_pages(out: Path, suite: str) -> None:
    """Bring the leaderboards and the suite's report up to date; a problem must not hide the answer."""
    from benchmarks.leaderboard import files
    from benchmarks.leaderboard.report import page

    try:
        for problem in files.write(out):
            print(f"warning: {problem}", file=sys.stderr)
        page.write(out, suite)
    except UserError as error:
        print(f"warning: {error}", file=sys.stderr)
