"""`list`: the available backbones, strategies, suites and datasets. Imports neither torch nor timm."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


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
    from strategies.registry import get, names

    return [(_typed(name), get(name).summary) for name in names()]


def _typed(name: str) -> str:
    """Return the strategy as typed, with its parameters and their defaults."""
    from strategies.registry import get

    fields = [(f.name.replace("_", "-"), f.default) for f in dataclasses.fields(get(name))]
    values = [typed if default is dataclasses.MISSING else f"{typed}={default}" for typed, default in fields]
    return f"{name}({','.join(values)})" if values else name


def _suites() -> list[tuple[str, str]]:
    from benchmarks.suites import suite as suites

    found = [suites.load(name) for name in suites.names()]
    return [
        (s.name, f"{s.title} ({s.dataset}; {len(s.backbones)} x {len(s.strategies)} cells, seeds: {s.seeds})")
        for s in found
    ]


def _datasets() -> list[tuple[str, str]]:
    from benchmarks.data.registry import datasets

    return [(entry.name, entry.summary) for entry in datasets()]
