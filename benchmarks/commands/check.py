"""`check`: run the contract on one strategy or on all strategies of a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmarks.commands.opening import load_plugins
from benchmarks.commands.options import Device
from benchmarks.support.errors import UserError

if TYPE_CHECKING:
    from benchmarks.contract.clauses import Verdict
    from strategies.base import Strategy


def check(
    what: Annotated[
        list[str], typer.Argument(metavar="NAME|FILE.py...", help="Strategies, or Python files that define some.")
    ],
    plugin: Annotated[
        list[Path] | None, typer.Option(metavar="FILE.py", help="Python file with additional strategies.")
    ] = None,
    device: Annotated[
        Device | None, typer.Option(help="Instead: whether they train on this device as on the CPU.")
    ] = None,
) -> int:
    """Check strategies against the contract; exit 1 if one breaks a clause."""
    load_plugins(plugin or ())
    strategies = [strategy for text in what for strategy in _strategies(text)]
    import torch

    from benchmarks.contract.clauses import judge

    torch.set_num_threads(1)  # the networks have a thousand weights: more threads only cost time
    if device is not None:
        return _on_device(strategies, device)
    found = {str(strategy): judge(strategy) for strategy in strategies}
    for name, verdicts in found.items():
        _print(name, verdicts)
    broken = [f"{name}: {v.clause.name}" for name, verdicts in found.items() for v in verdicts if v.state == "broken"]
    print(f"broken: {'; '.join(broken)}" if broken else "Every clause is kept.")
    return 1 if broken else 0


def _on_device(strategies: list[Strategy], device: Device) -> int:
    """Train each strategy on the device and on the CPU, and print a line for each that differs."""
    from benchmarks.contract.on_device import judge_on
    from benchmarks.running.session import pick_device

    on, broken = pick_device(device), 0
    for strategy in strategies:
        verdict = judge_on(strategy, on)
        if verdict.state == "broken":
            broken += 1
            print(f"{strategy}: {verdict.why}", flush=True)
    print(f"{len(strategies)} strategies trained on {on.type} and on the CPU, {broken} of them not alike.")
    return 1 if broken else 0


def _strategies(text: str) -> list[Strategy]:
    """Return the strategies of a name, an expression or a plugin file."""
    from strategies.combining.expression import expand, parse
    from strategies.registry import load_file

    if not text.endswith(".py"):
        return [parse(one) for one in expand([text])]
    names = load_file(Path(text))
    if not names:
        raise UserError(f"{text} registers no strategy; decorate a class with strategies.registry.register.")
    return [parse(name) for name in names]


def _print(name: str, verdicts: list[Verdict]) -> None:
    """Print one row per clause."""
    from tabulate import tabulate

    rows = [[v.clause.name, v.clause.promise, v.state, v.why] for v in verdicts]
    headers = ["clause", "what it promises", "", ""]
    print(f"{name}\n{tabulate(rows, headers, tablefmt='simple', maxcolwidths=[None, None, None, 60])}\n")
