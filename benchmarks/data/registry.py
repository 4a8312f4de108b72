"""Datasets by name.

To add a dataset, put one file into `benchmarks/data/` whose opening function carries the decorator `dataset`:

    @dataset("stripes", "striped squares, drawn by code")
    def open_source(seed: int = 0) -> Source:
        ...

Its signature defines the rest: `path` is the user's --data, and every other parameter has a default and a type and
is an option that suites can set. Other packages do the same in a module of their own and name that module in the
entry-point group `benchmarks.datasets`; a file given with --plugin can register datasets too. Keep the file's
imports light: all of them are imported to list the datasets.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

from backbones.errors import nearest
from benchmarks.data.base import Source
from benchmarks.support.errors import UserError, one_line

GROUP = "benchmarks.datasets"
_Open = TypeVar("_Open", bound=Callable[..., Source])


@dataclass(frozen=True)
class Dataset:
    """A registered dataset; the decorator `dataset` describes the fields."""

    name: str
    summary: str
    open: Callable[..., Source]
    expects: str = ""
    recognise: Callable[[Path], bool] | None = None
    asked_last: bool = False
    fetch: Callable[[Path, str | None], Path] | None = None

    @property
    def takes_path(self) -> bool:
        """Whether the dataset is read from a path, and so needs --data (or its `fetch`)."""
        return "path" in inspect.signature(self.open).parameters

    @property
    def options(self) -> dict[str, Any]:
        """The options' names and types: the parameters of `open` that have a default."""
        parameters = inspect.signature(self.open, eval_str=True).parameters.values()
        return {p.name: p.annotation for p in parameters if p.default is not p.empty}

    def check_options(self, options: Mapping[str, Any]) -> None:
        """Raise UserError for an option that the dataset does not take, or that has another type."""
        taken = self.options
        known = ", ".join(taken) or "none"
        for option, value in options.items():
            if option not in taken:
                hint = nearest(option, taken)
                raise UserError(
                    f"The dataset {self.name!r} takes no option {option!r}{hint}; options that it takes: {known}."
                )
            wanted = (int, float) if taken[option] is float else taken[option]
            if not isinstance(value, wanted) or isinstance(value, bool):
                what = {int: "a whole number", float: "a number"}.get(taken[option], taken[option].__name__)
                raise UserError(f"The option {option!r} of the dataset {self.name!r} is {value!r}, expected {what}.")


_registered: dict[str, Dataset] = {}
_discovered = False


def dataset(
    name: str,
    summary: str,
    *,
    expects: str = "",
    recognise: Callable[[Path], bool] | None = None,
    asked_last: bool = False,
    fetch: Callable[[Path, str | None], Path] | None = None,
) -> Callable[[_Open], _Open]:
    """Decorator for the function that opens a dataset's `Source`; it is returned unchanged.

    `summary`: one line for `list datasets`. `expects`: what --data PATH has to be, for messages; required where the
    function has a parameter `path`. `recognise(path)`: whether an existing path holds this dataset, so that --data
    alone finds it; `asked_last`: for a dataset that also recognises paths of more specific ones.
    `fetch(cache, endpoint)`: download it for `data fetch` and return its folder, `fetched_folder(cache, name)`.

    Raises ValueError for a malformed or taken name, and if only one of `expects` and a parameter `path` is given.
    """

    def register(opener: _Open) -> _Open:
        entry = Dataset(name, summary, opener, expects, recognise, asked_last, fetch)
        if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
            raise ValueError(f"{name!r} cannot name a dataset; use lower-case letters, digits and '-'")
        if name in _registered:
            raise ValueError(f"the dataset {name!r} is registered already; choose another name")
        if entry.takes_path != bool(expects):
            raise ValueError(f"the dataset {name!r} must have both a parameter `path` and `expects`, or neither")
        _registered[name] = entry
        return opener

    return register


def discover() -> list[str]:
    """Import every file of this folder and every entry point of `benchmarks.datasets`.

    Returns one line for each that failed, by name; the others stay registered.
    """
    global _discovered
    _discovered = True
    package = __name__.rpartition(".")[0]
    imports: list[tuple[str, Callable[[], object]]] = [
        (f"{package}.{m.name}", lambda name=m.name: importlib.import_module(f"{package}.{name}"))  # type: ignore[misc]
        for m in pkgutil.iter_modules([str(Path(__file__).parent)])
        if not m.ispkg
    ]
    imports += [(f"the dataset plugin {e.name} = {e.value}", e.load) for e in entry_points(group=GROUP)]
    return [problem for what, load in imports if (problem := _attempt(what, load))]


def datasets() -> list[Dataset]:
    """Return every registered dataset, sorted by name."""
    if not _discovered:
        discover()
    return [_registered[name] for name in sorted(_registered)]


def names() -> list[str]:
    """Return the name of every registered dataset, sorted."""
    return [entry.name for entry in datasets()]


def get(name: str) -> Dataset:
    """Return the dataset of that name; UserError with the nearest names if there is none."""
    known = names()
    if name not in known:
        raise UserError(f"There is no dataset {name!r}{nearest(name, known)}; there are {', '.join(known)}.")
    return _registered[name]


def _attempt(what: str, load: Callable[[], object]) -> str:
    """Call `load`; if it fails, undo what it registered and return one line that names it."""
    before = dict(_registered)
    try:
        load()
    except (Exception, SystemExit) as error:  # a plugin may fail in any way
        _registered.clear()
        _registered.update(before)
        return one_line(f"{what} could not be imported: {type(error).__name__}: {error}")
    return ""
