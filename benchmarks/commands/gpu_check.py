"""`gpu-check`: try everything on a GPU, within half an hour."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.commands.options import OWN, Device

DEFAULT_MINUTES = 25.0


def gpu_check(
    minutes: Annotated[
        float, typer.Option(min=0.01, max=1e5, metavar="N", help="How long it may take.")
    ] = DEFAULT_MINUTES,
    data: Annotated[
        list[Path] | None, typer.Option(metavar="PATH", help="Your data, may be repeated: trained in this order.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE.safetensors", help="First weights of the cells' backbone.")
    ] = None,
    suite: Annotated[
        str | None, typer.Option(metavar="NAME|FILE.toml", help="Train cells of this suite; default: by the data.")
    ] = None,
    strategy: Annotated[list[str] | None, typer.Option(metavar="NAME,...", help="Try and train only these.")] = None,
    backbone: Annotated[
        list[str] | None, typer.Option(metavar="NAME,...", help="Backbones whose speed is measured.")
    ] = None,
    image_size: Annotated[
        list[int] | None, typer.Option(min=8, metavar="PX", help="Sizes at which speed is measured; default: 64, 224.")
    ] = None,
    cells_at: Annotated[
        int | None, typer.Option(min=8, metavar="PX", help="Image size of the cells; default: their suite's.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, metavar="N", help="Batches per turn of `throughput`.")] = None,
    device: Annotated[Device, typer.Option(help="cpu: try the command itself, on a machine without a GPU.")] = (
        Device.CUDA
    ),
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for records; what each part printed.")] = OWN,
) -> int:
    """Check, measure and use a GPU within a time limit; the same command continues an unfinished check."""
    deadline = time.monotonic() + 60 * minutes
    from benchmarks.running.session import pick_device
    from benchmarks.suites.choose import expand_backbones
    from benchmarks.suites.suite import load
    from benchmarks.support.hardware import hardware, versions
    from benchmarks.tools.gpu_check.carry_out import carry_out
    from benchmarks.tools.gpu_check.parts import Asked, parts
    from strategies.combining.expression import expand

    on = pick_device(device)
    backbones = expand_backbones(backbone or (), load(suite).backbones if suite else ())
    asked = Asked(
        device=on.type, out=out, data=tuple(data or ()), weights=weights, suite=suite,
        strategies=tuple(expand(strategy or ())), backbones=tuple(backbones),
        sizes_px=tuple(image_size or ()), steps=steps, cells_px=cells_at,
    )  # fmt: skip
    machine = hardware(on)
    where = {"machine": machine.get("gpu", machine["cpu"]), "torch": versions()["torch"]}
    ended = carry_out(parts(asked), out / "gpu-check", deadline, lambda line: print(line, flush=True), on=where)
    counts = Counter(ended.values())
    print(f"\nOn {where['machine']}: {', '.join(f'{count} {state}' for state, count in counts.items())}.")
    if counts["stopped"] or counts["not started"]:
        print("The same command goes on with what is left.")
    return 1 if counts["failed"] else 0
