"""A clause of the contract, and what became of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Literal

from strategies.base import Strategy


class Broken(Exception):
    """A clause that is not kept; the message says in a few words what was seen."""


@dataclasses.dataclass(frozen=True)
class Clause:
    """One promise: `check(strategy)` raises `Broken` (or whatever the strategy raises) where it is not kept.

    `after`: names of the clauses without which this one says nothing; it is not tried where one of them is broken, so
    that one defect makes one clause red.
    """

    name: str
    promise: str
    check: Callable[[Strategy], None]
    after: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What became of a clause; `why` says how it was broken, or which broken clause kept it from being tried."""

    clause: Clause
    state: Literal["kept", "broken", "not tried"]
    why: str = ""


def judge(strategy: Strategy, clauses: Sequence[Clause]) -> list[Verdict]:
    """Return a verdict per clause, in order. Whatever a strategy raises breaks the clause and never ends the check."""
    verdicts: list[Verdict] = []
    for clause in clauses:
        broken = [v.clause.name for v in verdicts if v.state != "kept" and v.clause.name in clause.after]
        if broken:
            verdicts.append(Verdict(clause, "not tried", f"{broken[0]} comes first"))
            continue
        try:
            clause.check(strategy)
            verdicts.append(Verdict(clause, "kept"))
        except Broken as error:
            verdicts.append(Verdict(clause, "broken", str(error)))
        except Exception as error:  # a plugin may fail in any way
            verdicts.append(Verdict(clause, "broken", " ".join(f"{type(error).__name__}: {error}".split())))
    return verdicts


def expect(holds: object, otherwise: str) -> None:
    """Raise `Broken(otherwise)` unless `holds`."""
    if not holds:
        raise Broken(otherwise)
