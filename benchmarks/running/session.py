"""From a request to a plan and the context to run it in."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from backbones.network import build
from backbones.probe import Choice, probe
from backbones.weights import FirstWeights, Weights
from benchmarks.data.base import Loaded
from benchmarks.data.load import cache_folder, load
from benchmarks.planning.fit import MOST_SEEDS, fit_to
from benchmarks.planning.plan import PARTS, Plan, Setting, make_plan
from benchmarks.planning.stages import make_stages
from benchmarks.planning.store import Store
from benchmarks.records.storage import read_all, safe_name
from benchmarks.running.context import RunContext
from benchmarks.running.usable import usable_backbones
from benchmarks.suites.choose import expand_backbones
from benchmarks.suites.suite import Suite
from benchmarks.support.errors import UserError
from benchmarks.support.gpu_errors import out_of_memory
from benchmarks.support.hardware import others_at_work, versions
from strategies.combining.expression import expand, is_glob, parse, split
from strategies.combining.seats import corrected_twice

# stored features are read in float32; the rate only weighs jobs in estimates
FROZEN_CHOICE = Choice("contiguous", "float32", {"contiguous float32": 25_000.0})

MOST_CELLS = 20_000
Say = Callable[[str], None]
Advance = Callable[[str, int, int], None]
Choose = Callable[[str, Suite, torch.device], Choice]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """What the user requested; None and empty tuples mean the suite's defaults.

    `seeds`: how many, counted from 0. `weights`: a safetensors file instead of timm's download. `choose`: chooses a
    backbone's layout and precision if only other machines have the device. `checkpoint_seconds`: time between
    checkpoints within an epoch. `force`: train classifiers even on features of random weights. `resample`:
    sessions on other splits of the data follow. `seed`: plan only this seed, instead of `seeds`. `jobs`: see
    `RunContext`.
    """

    suite: Suite
    data: Path | None = None
    backbones: tuple[str, ...] = ()
    strategies: tuple[str, ...] = ()
    seeds: int | None = None
    device: str = "auto"
    out: Path = Path("runs")
    weights: Path | None = None
    choose: Choose | None = None
    checkpoint_seconds: float | None = None
    force: bool = False
    resample: bool = False
    seed: int | None = None
    jobs: int = 1


@dataclasses.dataclass(frozen=True, eq=False)
class Session:
    """A plan, what its jobs share, and the setting that it was made for."""

    plan: Plan
    context: RunContext
    setting: Setting


def open_session(request: Request, say: Say, advance: Advance) -> Session:
    """Load the data, probe the backbones, make the plan.

    `say` gets lines for the user, `advance(what, done, total)` the progress of slow steps.
    Raises UserError, StrategyError or BackboneError for errors that the user can fix.
    """
    device = torch.device(request.device) if request.choose else pick_device(request.device)
    versions()  # caches the commit of the imported code, before another one is checked out
    suite, patterns = request.suite, request.backbones or request.suite.backbones
    strategies = expand(request.strategies or suite.strategies)
    _check_size(expand_backbones(patterns, suite.backbones), strategies, request.seeds or suite.seeds or MOST_SEEDS)
    _check_frozen(request)
    weights: Weights = request.weights or suite.recipe.weights
    # before the data, whose decoding takes minutes at 224 px
    backbones = usable_backbones(patterns, suite, weights, say)
    first_weights = {name: first for name, first in backbones.items() if first is not None}
    _say_weights(first_weights, say)
    loaded = load(
        suite.dataset, path=request.data, size=suite.recipe.image_size, cache=cache_folder(), advance=advance, say=say,
        options=suite.options, split=suite.split, resample=request.resample,
    )  # fmt: skip
    suite = fit_to(loaded, _apart(suite, loaded, request.out, say))
    seeds = _seeds(dataclasses.replace(request, suite=suite))
    stages = make_stages(loaded, suite, seeds[0])
    choices = _choices(list(backbones), suite, device, request.choose, say, advance)
    setting = Setting(
        fingerprint=loaded.fingerprint,
        suite=suite,
        stages=stages,
        precision={name: {"layout": c.layout, "dtype": c.dtype} for name, c in choices.items()},
        weights={name: first.sha256 for name, first in first_weights.items()},
        text=loaded.texts is not None,
        device=device.type,
        parts=_parts(suite, list(backbones), strategies),
    )
    _check_named(request.strategies, setting, list(backbones))
    plan = make_plan(setting, list(backbones), strategies, seeds)
    twice = [line for text in strategies for line in corrected_twice(parse(text))]
    for line in (*plan.left_out, *twice):
        say(line)
    if not plan.cells:
        raise UserError(f"nothing is left to run: {' '.join(plan.left_out)}")
    context = RunContext(
        loaded=loaded,
        suite=suite,
        stages=stages,
        choices=choices,
        device=device,
        first_weights=first_weights,
        store=Store(request.out),
        checkpoint_seconds=request.checkpoint_seconds,
        jobs=request.jobs,
    )
    return Session(plan, context, setting)


def _say_weights(first_weights: Mapping[str, FirstWeights], say: Say) -> None:
    for name, first in first_weights.items():
        say(f"{name} starts from {first.path.name} ({first.source}, sha256 {first.sha256[:12]}).")


def _choices(
    backbones: Sequence[str], suite: Suite, device: torch.device, elsewhere: Choose | None, say: Say, advance: Advance
) -> dict[str, Choice]:
    """Return the layout and precision of each backbone, timed here or, with `elsewhere`, on a cluster's machine."""
    if suite.recipe.frozen:
        return dict.fromkeys(backbones, FROZEN_CHOICE)
    if elsewhere:
        say("layouts and precisions are timed on a machine of the cluster, as soon as it has room.")
    choices = {}
    for index, name in enumerate(backbones):
        choices[name] = (elsewhere or choose)(name, suite, device)
        advance("timing layouts and precisions", index + 1, len(backbones))
    if slowed := [name for name, choice in choices.items() if choice.busy]:
        names = ", ".join(slowed)
        say(f"This machine is busy, and was when {names} was timed; a run while it is idle times it again.")
    return choices


def for_seed(session: Session, seed: int) -> Session:
    """Return a session for another seed that shares the loaded data; with `folds`, another fold is held out."""
    stages = make_stages(session.context.loaded, session.context.suite, seed)
    setting = dataclasses.replace(session.setting, stages=stages)
    backbones = list(dict.fromkeys(cell.backbone for cell in session.plan.cells))
    strategies = list(dict.fromkeys(cell.strategy for cell in session.plan.cells))
    plan = make_plan(setting, backbones, strategies, [seed])
    return Session(plan, dataclasses.replace(session.context, stages=stages, augmented={}), setting)


def _seeds(request: Request) -> Sequence[int]:
    """Return the seeds to plan. Raises UserError for several seeds if each holds out other validation rows."""
    if request.seed is not None:
        return (request.seed,)
    seeds = request.seeds or request.suite.seeds
    if request.suite.folds and seeds > 1:
        raise UserError(
            f"each seed of {request.suite.name} holds out another of {request.suite.folds} folds, so a run trains one "
            "seed; give --seeds 1, or let `recommend` train them."
        )
    return range(seeds)


def _check_frozen(request: Request) -> None:
    """Raise UserError where a classifier would be trained on the features of random weights."""
    recipe = request.suite.recipe
    if recipe.frozen and recipe.weights == "none" and not request.weights and not request.force:
        raise UserError(
            f"{request.suite.name} trains classifiers on the features of random weights, which tell little; "
            'set recipe.weights to "imagenet", give --weights FILE.safetensors, or add --force.'
        )


def _check_size(backbones: Sequence[str], strategies: Sequence[str], seeds: int) -> None:
    """Raise UserError for more than `MOST_CELLS`: planning each takes about a millisecond, and each has a record."""
    cells = len(backbones) * len(strategies) * seeds
    if cells > MOST_CELLS:
        raise UserError(
            f"{len(backbones)} backbones, {len(strategies)} strategies and {seeds:,} seeds are {cells:,} cells; a plan "
            f"has at most {MOST_CELLS:,}: ask for fewer seeds, or for some at a time."
        )


def _parts(suite: Suite, backbones: Sequence[str], strategies: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return which of `PARTS` each backbone's network has; empty if frozen or if no strategy needs any."""
    if suite.recipe.frozen or not any(parse(text).needs & PARTS.keys() for text in strategies):
        return {}
    from backbones.strategy_layers.light import parts_of

    return {name: parts_of(name, suite.recipe.image_size) for name in backbones}


def _check_named(patterns: Sequence[str], setting: Setting, backbones: Sequence[str]) -> None:
    """Raise UserError if a strategy that was requested by name, not by a glob, can run on none of the backbones."""
    for text in (piece for pattern in patterns for piece in split(pattern) if not is_glob(piece)):
        if lacks := setting.lacks(parse(text)):
            raise UserError(f"{text} cannot run: {setting.suite.name} {' and '.join(lacks)}; leave it out.")
        missing = [setting.lacks_in(parse(text), name) for name in backbones]
        if all(missing):
            raise UserError(
                f"{text} cannot run: {backbones[0]} has {' and '.join(missing[0])}; choose another backbone with "
                "--backbone, or leave it out."
            )


def _apart(suite: Suite, loaded: Loaded, out: Path, say: Say) -> Suite:
    """Return the suite, with the data's fingerprint in its name if that name has results of other data."""
    place = out / safe_name(suite.name)
    stored = read_all(place / "records")[0] if suite.dataset == "folder" else []
    if all(record.setup.fingerprint == loaded.fingerprint for record in stored):
        return suite
    name = f"{suite.name}-{loaded.fingerprint[:6]}"
    say(f"{place} has results of other images (another folder of that name, or before a change); this is {name}.")
    return suite.model_copy(update={"name": name})


def pick_device(name: str) -> torch.device:
    """Return the device of that name; "auto" is a GPU where there is one."""
    if name not in ("auto", "cpu", "cuda"):
        raise UserError(f"no device {name!r}; expected auto, cpu or cuda.")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: torch sees no CUDA device here; use --device cpu or auto.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def choose(backbone: str, suite: Suite, device: torch.device) -> Choice:
    """Return a backbone's layout and precision: the recipe's if it sets one, else the fastest on this machine."""
    if suite.recipe.precision != "auto":
        build(backbone, 2, image_size=suite.recipe.image_size, seed=0)  # raises if it cannot be built
        return Choice("channels_last", suite.recipe.precision)
    fits = suite.recipe.batch_size
    while fits:
        try:
            return probe(
                backbone,
                image_size=suite.recipe.image_size,
                batch_size=fits,
                device=device,
                smallest_size=suite.recipe.size_at(0.0),
                cache_file=cache_folder() / "probe.json",
                busy=others_at_work,
            )
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
        fits //= 2  # training splits its batches in such a case, too
    raise UserError(f"{backbone}: not one image of {suite.recipe.image_size} px fits the memory; choose smaller ones.")
