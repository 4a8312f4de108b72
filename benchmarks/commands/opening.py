"""From options to an open session; checks that do not need torch run before it is imported."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.commands.options import Device, PlanOptions, SessionOptions, TuneOptions
from benchmarks.support.errors import UserError
from benchmarks.support.threads import Share, default_share, use_threads

if TYPE_CHECKING:
    from benchmarks.running.session import Request, Session
    from benchmarks.suites.suite import Suite

SMALL_IMAGES_PX = 64
MANY_CELLS = 4  # fewer may share all their jobs


def open_asked(
    options: PlanOptions,
    fit: Callable[[Request], Request] | None = None,
    ready: Callable[[], None] = lambda: None,
    checkpoint_seconds: float | None = None,
    split: int = 0,
    check: Callable[[Suite], None] = lambda _: None,
) -> Session:
    """Check the options, print the chosen suite and the reason, load the data and make the plan.

    `check` may reject the suite. `ready` is called after the checks and before anything slow; then `fit`, which
    may change the request and sets the threads (None: `on_this_machine`). `checkpoint_seconds`: see `Request`; `split`:
    see `Suite`. Raises UserError, StrategyError or BackboneError for errors that the user can fix.
    """
    suite = _asked_suite(options, split)
    check(suite)
    ready()
    from benchmarks.running.session import Request

    request = Request(
        suite=suite,
        data=options.data,
        backbones=tuple(options.backbone or ()),
        strategies=tuple(options.strategy or ()),
        seeds=options.seeds,
        device=options.device.value,
        out=options.out,
        weights=options.weights,
        checkpoint_seconds=checkpoint_seconds,
        force=options.force,
        resample=options.resample_splits > 1,
    )
    request = fit(request) if fit else on_this_machine(options, request)
    return open_here(request)


def open_here(request: Request) -> Session:
    """Open a session and print its messages and progress to the terminal; raises as `open_session` does."""
    from benchmarks.progress.display import progress
    from benchmarks.running.session import open_session

    with progress() as advance:
        return open_session(request, lambda line: print(line, flush=True), advance)


def _asked_suite(options: PlanOptions, split: int) -> Suite:
    """Check the options, print and return the suite they select. Raises UserError or StrategyError."""
    from benchmarks.suites.choose import choose_suite, expand_backbones
    from benchmarks.suites.settings import with_options
    from strategies.combining.expression import expand

    load_plugins(options.plugin or ())
    if options.weights is not None and not options.weights.is_file():
        raise UserError(f"--weights {options.weights} is not a file; expected a safetensors file.")
    suite, why = choose_suite(
        options.suite,
        options.data,
        device=options.device,
        protocol=options.protocol,
        head_classes=options.head_classes,
        # an explicit backbone or weights file rules out the automatic choice of frozen features
        trains=options.trains or ("all" if options.backbone or options.weights else None),
        image_size_px=options.image_size,
        settings=options.set or (),
    )
    for given, found, option in (
        (options.backbone, expand_backbones(options.backbone or (), suite.backbones), "backbone"),
        (options.strategy, expand(options.strategy or ()), "strategy"),
    ):
        if given and not found:
            raise UserError(f"--{option} is empty; give at least one name, or leave it out to use the suite's.")
    suite = with_options(suite, options.of_table).model_copy(update={"split": split})
    print(f"Suite {suite.name}: {suite.title}{f' (chosen because {why})' if why else ''}.", flush=True)
    if options.resample_splits > 1:
        print(f"Split {split}, of {options.resample_splits} that are counted from 0, the data's own.", flush=True)
    return suite


def on_this_machine(options: SessionOptions, request: Request, *, restarted: bool = False) -> Request:
    """Choose how many jobs run in parallel, and with how many CPU threads each; print why.

    Returns the request with `jobs` set. `restarted`: see `default_share`. On a GPU, one job runs, with torch's default
    number of threads. Raises UserError if several jobs are requested on a machine with a GPU.
    """
    import torch

    gpu = torch.cuda.is_available()  # CUDA libraries do not survive a fork, even if unused
    if gpu and (options.jobs or 1) > 1:
        raise UserError(
            "--jobs is for machines without a GPU; share the GPU with --executor ray --jobs-per-device K, or hide it "
            "with CUDA_VISIBLE_DEVICES=''."
        )
    share, sentence = Share(1, options.threads), ""
    if not gpu or options.device == Device.CPU:
        small = "" if gpu or _cells(options, request) < MANY_CELLS else _small(request.suite)
        share, sentence = default_share(
            options.out / ".work", jobs=options.jobs, threads=options.threads, small=small, restarted=restarted
        )
    if sentence:
        print(sentence, flush=True)
    use_threads(share.threads)
    return dataclasses.replace(request, jobs=share.jobs)


def _cells(options: SessionOptions, request: Request) -> int:
    """Return the approximate number of requested cells, times the trials of each."""
    from benchmarks.planning.fit import MOST_SEEDS
    from benchmarks.suites.choose import expand_backbones
    from strategies.combining.expression import expand

    suite = request.suite
    backbones = expand_backbones(request.backbones or suite.backbones, suite.backbones)
    strategies = expand(request.strategies or suite.strategies)
    trials = options.trials if isinstance(options, TuneOptions) else 1
    return len(backbones) * len(strategies) * (request.seeds or suite.seeds or MOST_SEEDS) * trials


def _small(suite: Suite) -> str:
    """Return, in words, what makes the suite's jobs too small to use several cores; "" if nothing does."""
    if suite.recipe.frozen:
        return "classifiers on stored features"
    size = suite.recipe.image_size
    return f"images of {size} px" if size <= SMALL_IMAGES_PX else ""


def ready_to_run(session: Session) -> Session:
    """Return the session with the stored features that its jobs read, computed unless they are cached.

    Computing them uses the threads of all parallel jobs together.
    """
    import torch

    from benchmarks.progress.display import progress
    from benchmarks.running.frozen_features import with_features

    threads, jobs = torch.get_num_threads(), session.context.jobs
    use_threads(threads * jobs if jobs > 1 else None)
    try:
        with progress() as advance:
            return with_features(session, lambda line: print(line, flush=True), advance)
    finally:
        use_threads(threads if jobs > 1 else None)


def load_plugins(files: Sequence[Path]) -> None:
    """Load all plugins; installed ones that fail to import are left out with a warning that names them.

    Backbones and classifiers from a file are versioned by a hash of its content, as strategies are.
    Raises StrategyError if one of `files` does not exist or fails to import.
    """
    from backbones.registry import load_entry_points, versioned
    from benchmarks.data import registry as datasets
    from strategies.registry import digest, discover, load_file

    warn([*discover(), *load_entry_points(), *datasets.discover()])
    for file in files:
        with versioned(digest(file) if file.is_file() else ""):
            load_file(file)


def warn(problems: Iterable[str]) -> None:
    """Print a warning for each plugin that was left out."""
    for problem in problems:
        print(f"warning: {problem}", file=sys.stderr)
