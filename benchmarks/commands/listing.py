"""`list`: the available backbones, strategies, suites and datasets; `suite show`. Imports neither torch nor timm."""

from __future__ import annotations

import dataclasses
import itertools
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from benchmarks.suites.suite import Suite

PLUGINS = "plugins"
MARKS = {
    "text": "reads text", "validation": "needs validation", "pixels": "not on frozen features",
    "transformer": "transformers only", "batch-norm": "networks with batch norm only",
}  # fmt: skip


class Kind(StrEnum):
    """What can be listed."""

    BACKBONES = "backbones"
    STRATEGIES = "strategies"
    SUITES = "suites"
    DATASETS = "datasets"


def show(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    plugin: Annotated[list[Path] | None, typer.Option(help="Python file with additional strategies.")] = None,
) -> int:
    """List backbones, strategies, suites or datasets."""
    from tabulate import tabulate

    from benchmarks.commands.opening import load_plugins

    load_plugins(plugin or ())
    tables: dict[Kind, Callable[[], list[tuple[str, str]]]] = {
        Kind.BACKBONES: _backbones,
        Kind.STRATEGIES: _strategies,
        Kind.SUITES: _suites,
        Kind.DATASETS: _datasets,
    }
    print(tabulate(tables[kind](), tablefmt="plain"))
    return 0


def _backbones() -> list[tuple[str, str]]:
    from backbones.registry import list_backbones, list_classifiers

    classifiers = [(f":{name}", description) for name, description in list_classifiers()]
    more = [("any timm name", "works too"), ("", ""), ("classifiers, such as resnet50:mlp2", "")]
    return [*list_backbones(), *more, *classifiers]


def _strategies() -> list[tuple[str, str]]:
    """Return a row for each strategy with its marks, under a heading for each family, plugins last."""
    from strategies.registry import get, names

    listed = sorted(names(), key=lambda name: (_family(name) == PLUGINS, _family(name), name))
    rows = []
    for family, members in itertools.groupby(listed, key=_family):
        rows += [("", ""), (f"# {family}", _about(family))]
        rows += [(_typed(name), get(name).summary + _marks(name)) for name in members]
    return rows[1:]


def _family(name: str) -> str:
    """Return the folder of a strategy's file in `strategies/`, or `PLUGINS`."""
    from strategies.registry import family

    return family(name) or PLUGINS


def _about(family: str) -> str:
    """Return the first line of a family's docstring."""
    return (getattr(sys.modules.get(f"strategies.{family}"), "__doc__", None) or "").split("\n")[0]


def _marks(name: str) -> str:
    """Return what a strategy with default parameters requires of a run, and whether it sees the test rows."""
    from strategies.registry import get

    cls = get(name)
    required = any(f.default is dataclasses.MISSING for f in dataclasses.fields(cls))
    needs = frozenset() if required else cls().needs  # `needs` may depend on the parameters
    marks = [MARKS.get(need, f"needs {need}") for need in sorted(needs)]
    marks += ["sees the test distribution"] * cls.transductive
    return f" [{', '.join(marks)}]" if marks else ""


def _typed(name: str) -> str:
    """Return the strategy as typed, with its parameters and their defaults."""
    from strategies.registry import get

    fields = [(f.name.replace("_", "-"), f.default) for f in dataclasses.fields(get(name))]
    shown = [
        (typed, str(value).lower() if value is None or isinstance(value, bool) else value) for typed, value in fields
    ]
    values = [typed if value is dataclasses.MISSING else f"{typed}={value}" for typed, value in shown]
    return f"{name}({','.join(values)})" if values else name


def _suites() -> list[tuple[str, str]]:
    from benchmarks.suites import suite as suites

    found = [suites.load(name) for name in suites.names()]
    return [(s.name, f"{s.title} ({s.dataset}; {_cells(s)})") for s in found]


def _cells(suite: Suite) -> str:
    return f"{len(suite.backbones)} x {len(suite.strategies)} cells, seeds: {suite.seeds or 'by size'}"


def _datasets() -> list[tuple[str, str]]:
    from benchmarks.data.registry import datasets

    return [(entry.name, entry.summary) for entry in datasets()]


suite = typer.Typer(help="Show suites.", rich_markup_mode=None, pretty_exceptions_enable=False)


@suite.callback()
def _group() -> None:
    """Keep `show` a subcommand: typer would merge the only command of a group into the group."""


@suite.command("show")
def show_suite(name: Annotated[str, typer.Argument(help="A suite of `list suites`.")]) -> int:
    """Print a suite's TOML; save it, change it and run it with --suite FILE.toml."""
    from benchmarks.suites import suite as suites

    print(suites.source(name), end="")
    return 0
