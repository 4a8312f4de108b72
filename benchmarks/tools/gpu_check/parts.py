"""The parts of a `gpu-check`, most wanted first: each is a command of this project with its arguments."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.data.load import detect
from benchmarks.suites.suite import load
from strategies.combining.expression import parse
from strategies.registry import family

THROUGHPUT_BACKBONES, SIZES_PX = ("resnet50", "resnet10t", "mobilenetv3_small"), (64, 224)
# one round: each has three turns of the loop and of the bare step
ROUNDS = 1
FAMILIES_FROM = "catalog"
MOST_CHECKING, MOST_MEASURING, MOST_ON_FAMILIES = 0.4, 0.2, 0.4
# Cells by dataset, in the order in which they are trained: the study's backbone with each classifier; and what has
# published numbers.
PUBLISHED = ("--strategy", "none,ldam+drw,balanced-softmax", "--seeds", "3")
WANTED = {
    "fashion": ("--suite", "fashion", "--backbone", "resnet50,resnet50:mlp1,resnet50:mlp2,resnet50:attention"),
    "cifar10": ("--suite", "cifar10-lt", *PUBLISHED),
    "cifar100": ("--suite", "cifar100-lt", *PUBLISHED),
}


@dataclasses.dataclass(frozen=True)
class Part:
    """A command: its name in messages and files, and its `arguments`.

    `most`: its largest share of the whole time, so that a hanging part leaves time for the others.
    """

    name: str
    arguments: tuple[str, ...]
    most: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """What the user asked for; None and empty tuples mean the defaults above.

    `strategies`: only these, in the contract and in cells. `backbones`, `sizes_px`, `steps`: of `throughput`.
    `cells_px`: the image size of the cells, except in `families`.
    """

    device: str
    out: Path
    data: tuple[Path, ...] = ()
    weights: Path | None = None
    suite: str | None = None
    strategies: tuple[str, ...] = ()
    backbones: tuple[str, ...] = ()
    sizes_px: tuple[int, ...] = ()
    steps: int | None = None
    cells_px: int | None = None


def parts(asked: Asked) -> list[Part]:
    """Return the parts: the contract, speeds, a cell of each family, and the cells of a suite.

    Raises UserError for data that cannot be read, and for an unknown suite.
    """
    on = ("--device", asked.device)
    return [
        Part("contracts", ("check", *(asked.strategies or ("*",)), *on), MOST_CHECKING),
        *_throughput(asked, on),
        *_cells(asked, ("--out", str(asked.out), *on)),
    ]


def _throughput(asked: Asked, on: Sequence[str]) -> Iterable[Part]:
    """Yield a part for each image size and backbone."""
    steps = ("--steps", str(asked.steps)) if asked.steps else ()
    for size in asked.sizes_px or SIZES_PX:
        for backbone in asked.backbones or THROUGHPUT_BACKBONES:
            chosen = ("--backbone", backbone, "--image-size", str(size), *steps, "--rounds", str(ROUNDS))
            yield Part(f"throughput-{backbone}-{size}", ("throughput", *chosen, *on), MOST_MEASURING)


def _cells(asked: Asked, common: Sequence[str]) -> Iterable[Part]:
    """Yield a part with a cell of each family, and one for the cells of each dataset, or of the suite."""
    suite = asked.suite or FAMILIES_FROM
    found = ("--data", str(asked.data[0])) if asked.suite and asked.data else ()
    families = one_of_each_family(asked.strategies or load(suite).strategies)
    shown = ("--suite", suite, "--strategy", ",".join(families), "--seeds", "1", *found)
    yield Part("families", ("run", *shown, *common), MOST_ON_FAMILIES)
    common = (*common, *(("--weights", str(asked.weights)) if asked.weights else ()))
    common = (*common, *(("--image-size", str(asked.cells_px)) if asked.cells_px else ()))
    only = ("--strategy", ",".join(asked.strategies)) if asked.strategies else ()
    if asked.suite or not asked.data:
        yield Part("cells", ("run", *(only or ("--all",)), "--suite", suite, *found, *common))
        return
    for number, data in enumerate(asked.data, start=1):
        wanted = (*WANTED.get(detect(data), () if only else ("--all",)), *only)
        yield Part(f"cells-{number}", ("run", *wanted, "--data", str(data), *common))


def one_of_each_family(expressions: Iterable[str]) -> list[str]:
    """Return the first expression of each family, in order; a combination belongs to none."""
    found: dict[str, str] = {}
    for text in expressions:
        alone = parse(text).parts()
        if len(alone) == 1:
            found.setdefault(family(alone[0].name), text)
    return list(found.values())
