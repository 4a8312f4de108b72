"""The clauses of the contract: their registration, and the check of a strategy against all of them.

A clause is a function of a strategy, decorated with `@clause(name)`, that raises `Broken` (see `expect`) if the
strategy violates it. The first sentence of its docstring is what `check` prints.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Callable
from typing import Literal, TypeVar

from strategies.base import Strategy

Check = Callable[[Strategy], None]
C = TypeVar("C", bound=Check)
_MODULES = ("values", "tensors", "training")  # those with clauses, in the order in which they are tried


class Broken(Exception):
    """A clause is violated; the message says in a few words how."""


@dataclasses.dataclass(frozen=True)
class Clause:
    """One promise: `check(strategy)` raises if it is broken.

    `after`: names of the clauses that must be kept for this one to make sense. It is not tried where one of them is
    broken, so that one defect breaks one clause.
    """

    name: str
    promise: str
    check: Check
    after: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The outcome of a clause; `why` says how it was broken, or which broken clause kept it from being tried."""

    clause: Clause
    state: Literal["kept", "broken", "not tried"]
    why: str = ""


_registered: list[Clause] = []


def clause(name: str, after: tuple[str, ...] = ()) -> Callable[[C], C]:
    """Register the decorated function as the clause `name`, to be tried after those registered before it.

    Raises `ValueError` where it has no docstring, the name is taken, or a name in `after` is not registered yet.
    """

    def register(check: C) -> C:
        known = {c.name for c in _registered}
        promise = (inspect.getdoc(check) or "").split("\n\n")[0].removesuffix(".").replace("\n", " ")
        if not promise or name in known or not known.issuperset(after):
            raise ValueError(f"clause {name!r} needs a docstring, a name of its own and only earlier clauses in after.")
        _registered.append(Clause(name, promise, check, after))
        return check

    return register


def clauses() -> tuple[Clause, ...]:
    """Return all clauses, in the order in which they are tried."""
    for module in _MODULES:
        importlib.import_module(f"benchmarks.contract.{module}")
    return tuple(_registered)


def judge(strategy: Strategy) -> list[Verdict]:
    """Return a verdict per clause, in order. An exception of any kind breaks the clause and never ends the check."""
    verdicts: list[Verdict] = []
    for each in clauses():
        missing = [v.clause.name for v in verdicts if v.state != "kept" and v.clause.name in each.after]
        verdicts.append(Verdict(each, "not tried", f"{missing[0]} comes first") if missing else tried(each, strategy))
    return verdicts


def tried(each: Clause, strategy: Strategy) -> Verdict:
    """Return the verdict of one clause."""
    try:
        each.check(strategy)
    except Broken as error:
        return Verdict(each, "broken", str(error))
    except Exception as error:  # a plugin may fail in any way
        return Verdict(each, "broken", " ".join(f"{type(error).__name__}: {error}".split()))
    return Verdict(each, "kept")


def expect(holds: object, otherwise: str) -> None:
    """Raise `Broken(otherwise)` unless `holds`."""
    if not holds:
        raise Broken(otherwise)
