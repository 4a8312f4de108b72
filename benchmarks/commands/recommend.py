"""`recommend`: which strategy for these images, with evidence, within a budget."""

from __future__ import annotations

import dataclasses
import functools
import sys
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmarks.commands.executing import Runner, running, writing
from benchmarks.commands.options import TrainOptions, takes
from benchmarks.commands.run import write_pages
from benchmarks.support.errors import UserError

if TYPE_CHECKING:
    from benchmarks.running.session import Session
    from benchmarks.suites.suite import Suite
    from benchmarks.tools.recommend.setup import Chosen

KEEP_HEAD = 0.1  # class mean that frequent classes may lose by default, without asking the user


class Goal(StrEnum):
    """What the recommended strategy is to maximise."""

    CLASS_MEAN = "class-mean"
    WORST_CLASS = "worst-class"
    MACRO_F1 = "macro-f1"
    TOP_1 = "top-1"


@dataclasses.dataclass(frozen=True)
class RecommendOptions(TrainOptions):
    """Options of `recommend`, as typed."""

    strategy: Annotated[
        list[str] | None, typer.Option(metavar="NAME,...", help="Try only these strategies, and none.")
    ] = None
    image_size: Annotated[
        int | None, typer.Option(min=8, metavar="PX", help="Image size; default: by the budget, at most 160.")
    ] = None
    backbone: Annotated[str | None, typer.Option(metavar="NAME", help="Backbone; default: efficientnet_lite0.")] = None
    budget: Annotated[str, typer.Option(metavar="TIME", help="How long it may take: 30m, 2h, 90s.")] = "30m"
    goal: Annotated[Goal, typer.Option(help="What to maximise.")] = Goal.CLASS_MEAN
    keep_head: Annotated[
        float,
        typer.Option(
            min=0, max=1, metavar="SHARE",
            help="The pick may not cost the most frequent classes more class mean than this; 1: anything.",
        ),
    ] = KEEP_HEAD  # fmt: skip


@takes(RecommendOptions)
def recommend(options: RecommendOptions, context: typer.Context) -> int:
    """Find the strategy that suits your images, and say why, within a budget."""
    started = time.monotonic()
    from benchmarks.tools.recommend.budget import seconds_of

    budget_s = seconds_of(options.budget)
    with writing(options, "recommend") as alone, running(options, context.obj) as runner:
        chosen = _suite(options, budget_s)
        alone()
        from benchmarks.progress.reporter import say
        from benchmarks.tools.recommend import recommend as recommending

        asked = recommending.Asked(
            suite=chosen.suite, said=chosen.said, mirrors=chosen.mirrors, goal=options.goal.value,
            keep=options.keep_head, budget_s=budget_s, started=started,
            out=options.out, data=options.data, of_table=options.of_table, plugins=tuple(options.plugin or ()),
            strategies=_strategies(options), suite_file=options.suite if options.suite.endswith(".toml") else None,
        )  # fmt: skip
        execute = functools.partial(runner.execute, out=options.out)
        ports = recommending.Ports(functools.partial(_open, options, runner), execute, say)
        lines, page = recommending.recommend(asked, ports)
        _write_pages(options.out, page.parent.name)
    print("\n" + "\n".join(lines))
    print(f"\nEvidence: {page}")
    return 0


def _suite(options: RecommendOptions, budget_s: float) -> Chosen:
    """Choose the suite to run, and print it."""
    from benchmarks.commands.opening import load_plugins
    from benchmarks.tools.recommend.setup import suite_for

    if options.data is None and options.suite == "auto":
        raise UserError("recommend needs images: add --data MY_IMAGES, or --suite catalog to try it on drawn ones.")
    load_plugins(options.plugin or ())
    chosen = suite_for(
        options.suite, options.data, device=options.device.value, budget_s=budget_s, of_table=options.of_table,
        image_size_px=options.image_size, backbone=options.backbone,
    )  # fmt: skip
    print("\n".join((f"Suite {chosen.suite.name}: {chosen.suite.title}.", *chosen.said)), flush=True)
    return chosen


def _strategies(options: RecommendOptions) -> tuple[str, ...]:
    """Return the requested strategies, plain training first; empty for all."""
    from benchmarks.tools.recommend.candidates import PLAIN
    from strategies.combining.expression import expand

    asked = expand(tuple(options.strategy or ()))
    return tuple(dict.fromkeys((PLAIN, *asked))) if asked else ()


def _open(options: RecommendOptions, runner: Runner, suite: Suite, strategies: Sequence[str]) -> Session:
    """Return a session of seed 0 on the suite, with the features that plain training reads."""
    from benchmarks.commands.opening import open_here, ready_to_run
    from benchmarks.running.session import Request
    from benchmarks.tools.recommend.candidates import PLAIN

    request = Request(
        suite=suite.model_copy(update={"strategies": tuple(strategies)}),  # strategies that cannot run are left out
        strategies=(PLAIN, *options.strategy) if options.strategy else (),  # an error if one of these cannot run
        data=options.data, seed=0, device=options.device.value, out=options.out,
        checkpoint_seconds=options.checkpoint_seconds,
    )  # fmt: skip
    session = open_here(runner.fit(request))
    plain = [cell for cell in session.plan.cells if cell.strategy == PLAIN]
    ready = ready_to_run(dataclasses.replace(session, plan=session.plan.part(plain)))
    return dataclasses.replace(session, context=ready.context)


def _write_pages(out: Path, suite: str) -> None:
    """Update the leaderboards and the suite's report; a failure must not hide the recommendation."""
    from benchmarks.leaderboard.report import page

    write_pages(out, suite)
    try:
        page.write(out, suite)
    except UserError as error:
        print(f"warning: {error}", file=sys.stderr)
