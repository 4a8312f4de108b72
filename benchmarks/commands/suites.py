"""`suite show`: a suite's TOML, to start one's own from."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="Show suites.", rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback()
def _group() -> None:
    """Keep `show` a command of its own, although it is the only one."""


@app.command()
def show(name: Annotated[str, typer.Argument(help="A suite of `list suites`.")]) -> int:
    """Print a suite's TOML; save it, change it and run it with --suite FILE.toml."""
    from benchmarks.suites import suite as suites

    print(suites.source(name), end="")
    return 0
