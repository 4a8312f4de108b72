"""`leaderboard` and `throughput`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.commands.options import OWN, PUBLISHED, Device, with_records


def leaderboard(
    suite: Annotated[str | None, typer.Option(help="Only this suite.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 if a table differs.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder with records; default: results, or runs.")
    ] = None,
) -> int:
    """Regenerate or check the leaderboards."""
    from benchmarks.leaderboard import files

    # results first: --check in CI is about published records, whatever else was run
    out = out or with_records(PUBLISHED, OWN)
    if check:
        differences = files.check(out, suite)
        print("\n".join(differences) or f"The leaderboards in {out} match their records.")
        return 1 if differences else 0
    for problem in files.write(out, suite):
        print(f"warning: {problem}", file=sys.stderr)
    print(f"Leaderboards: {out / suite / 'leaderboard.md' if suite else out / 'README.md'}")
    return 0


def throughput(
    backbone: Annotated[list[str] | None, typer.Option(help="Backbones: names, comma lists, globs.")] = None,
    device: Annotated[Device, typer.Option(help="Where to train.")] = Device.AUTO,
    steps: Annotated[int, typer.Option(min=1, metavar="N", help="Batches per turn.")] = 8,
    rounds: Annotated[int, typer.Option(min=1, metavar="N", help="Rounds of turns; medians are shown.")] = 5,
) -> int:
    """Time training against simpler loops."""
    from benchmarks.running.session import pick_device
    from benchmarks.suites.choose import expand_backbones
    from benchmarks.tools.throughput import report

    backbones = expand_backbones(backbone or ["resnet50", "resnet10t", "mobilenetv3_small"])
    report(backbones, pick_device(device), steps=steps, rounds=rounds)
    return 0
