"""The registry of strategies: files here and in the family folders, entry points, plugin files."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import TypeVar

from backbones.errors import nearest
from strategies.base import TRAINING_HOOKS, Strategy, StrategyError
from strategies.ranges import intervals

ENTRY_POINT_GROUP = "benchmarks.strategies"

_S = TypeVar("_S", bound=type[Strategy])
_registered: dict[str, type[Strategy]] = {}
_discovered = False


def register(cls: _S) -> _S:
    """Class decorator: make a strategy known under its `name`.

    Raises `StrategyError` for a name that cannot be typed in an expression, or that another module has taken, and for
    declared `ranges` that cannot be read.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", cls.name):
        raise StrategyError(f"{cls.__qualname__} has the name {cls.name!r}; use lower-case letters, digits and '-'.")
    for hook in TRAINING_HOOKS:
        _check_parameters(cls, hook)
    try:
        intervals(cls)
    except ValueError as error:
        raise StrategyError(f"{error}.") from error
    other = _registered.get(cls.name)
    if other is not None and (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
        raise StrategyError(f"{cls.name!r} is registered by both {other.__module__} and {cls.__module__}; rename one.")
    _registered[cls.name] = cls
    return cls


def _check_parameters(cls: type[Strategy], hook: str) -> None:
    """Raise `StrategyError` where a class defines a hook with other parameters than it is called with."""
    own, base = (vars(c).get(hook) for c in (cls, Strategy))
    if inspect.isfunction(own) and inspect.isfunction(base):
        takes, called = (list(inspect.signature(f).parameters) for f in (own, base))
        if len(takes) != len(called) and not any("*" in str(p) for p in inspect.signature(own).parameters.values()):
            raise StrategyError(
                f"{cls.name}: {hook} takes ({', '.join(takes)}), but is called as ({', '.join(called)}); "
                "change its parameters."
            )


def names() -> list[str]:
    """Return every registered name, sorted; runs discovery on the first call. Imports no torch."""
    if not _discovered:
        discover()
    return sorted(_registered)


def get(name: str) -> type[Strategy]:
    """Return the class registered as `name`; `StrategyError` with the nearest names otherwise."""
    known = names()
    if name not in _registered:
        raise StrategyError(f"There is no strategy {name!r}{nearest(name, known)}; known: {', '.join(known)}.")
    return _registered[name]


def family(name: str) -> str:
    """Return the folder of a strategy's file in this package; "" for a plugin's."""
    package, *folder = get(name).__module__.split(".")[:-1] or [""]
    return folder[0] if package == "strategies" and folder else ""


@contextlib.contextmanager
def isolated() -> Iterator[None]:
    """Restore the registry on leaving the block: what is registered or loaded inside is forgotten."""
    before = {name: get(name) for name in names()}
    try:
        yield
    finally:
        _registered.clear()
        _registered.update(before)


def discover() -> list[str]:
    """Import every module of this folder and its family folders, and every entry point of `benchmarks.strategies`.

    Returns one line for each import that failed, naming it; everything else is registered.
    """
    global _discovered
    _discovered = True
    package = __name__.rpartition(".")[0]
    modules = pkgutil.walk_packages([str(Path(__file__).parent)], f"{package}.")
    imports: list[tuple[str, Callable[[], object]]] = [
        (f"{m.name.replace('.', '/')}.py", lambda name=m.name: importlib.import_module(name))  # type: ignore[misc]
        for m in modules
        if not m.ispkg
    ]
    imports += [(f"entry point {e.name} = {e.value}", e.load) for e in entry_points(group=ENTRY_POINT_GROUP)]
    problems = [_attempt(what, load) for what, load in imports]
    return [problem for problem in problems if problem]


def load_file(path: Path) -> list[str]:
    """Import the plugin `path` and return the names of the strategies it registered, sorted.

    The file's content becomes the `version` of its strategies: an edited plugin never reuses jobs of the old one.
    Raises `StrategyError` naming the file when it is missing or fails to import.
    """
    if not path.is_file():
        raise StrategyError(f"The plugin {path} is not a file; give the path of a Python file.")
    names()  # discover built-ins first, so that a taken name is reported as the plugin's problem
    version = digest(path)
    module_name = _module_name(path, version)
    if module_name not in sys.modules:
        problem = _attempt(f"plugin {path}", lambda: _execute(module_name, path))
        if problem:
            raise StrategyError(problem)
    registered = [name for name, cls in _registered.items() if cls.__module__ == module_name]
    for name in registered:
        _registered[name].version = version
    return sorted(registered)


def digest(path: Path) -> str:
    """Return a short hash of a plugin file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _module_name(path: Path, version: str) -> str:
    """Return the module name of an imported plugin file: its stem and its content's `version`."""
    return f"strategy_plugin_{re.sub(r'[^0-9A-Za-z_]', '_', path.stem)}_{version}"


def _execute(module_name: str, path: Path) -> None:
    """Run a file as the module `module_name`, which stays in `sys.modules` only if it succeeds."""
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise ImportError("it is not a Python file (its name must end in .py)")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # dataclasses look their module up here
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise


def _attempt(what: str, load: Callable[[], object]) -> str:
    """Call `load`; on failure undo what it registered and return one line that names it, otherwise an empty string."""
    before = dict(_registered)
    try:
        load()
    except (Exception, SystemExit) as error:  # a broken plugin must not stop the others
        _registered.clear()
        _registered.update(before)
        reason = " ".join(str(error).split())
        return f"{what} could not be imported: {type(error).__name__}{': ' + reason if reason else ''}"
    return ""
