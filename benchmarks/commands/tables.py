"""`leaderboard`, `report` and `throughput`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.commands.options import OWN, PUBLISHED, Device, with_records
from benchmarks.support.errors import UserError

COMMON_BACKBONES = ("resnet50", "resnet10t", "mobilenetv3_small")


def leaderboard(
    suite: Annotated[str | None, typer.Option(help="Only this suite.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 if a table differs.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder with records; default: results, or runs.")
    ] = None,
    columns: Annotated[
        str, typer.Option(metavar="NAME,...", help="More columns: metrics such as macro-f1,nll, and q (FDR).")
    ] = "",
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all numbers here, and no page.")] = None,
    parquet: Annotated[Path | None, typer.Option(metavar="FILE", help="The same as Parquet.")] = None,
) -> int:
    """Regenerate or check the leaderboards."""
    from benchmarks.leaderboard import files
    from benchmarks.leaderboard.requested import requested

    # results first: --check in CI is about the published records
    out = out or with_records(PUBLISHED, OWN)
    extra = requested(columns)
    if csv or parquet:
        if check or extra:
            raise UserError("--csv and --parquet write every number and no page; leave out --check and --columns.")
        return _numbers(out / suite if suite else out, csv, parquet)
    if check:
        differences = files.check(out, suite, extra)
        print("\n".join(differences) or f"The leaderboards in {out} match their records.")
        return 1 if differences else 0
    for problem in files.write(out, suite, extra):
        print(f"warning: {problem}", file=sys.stderr)
    print(f"Leaderboards: {out / suite / 'leaderboard.md' if suite else out / 'README.md'}")
    return 0


def _numbers(folder: Path, csv: Path | None, parquet: Path | None) -> int:
    """Write the records' numbers to files."""
    from benchmarks.records import frames

    records, problems = frames.read(folder)
    for problem in problems:
        print(f"warning: {problem}", file=sys.stderr)
    found = frames.frames(records)
    written = [
        *(frames.write_csv(found, csv) if csv else []),
        *(frames.write_parquet(found, parquet) if parquet else []),
    ]
    print(f"Numbers: {', '.join(map(str, written))}")
    return 0


def report(
    suite: Annotated[str | None, typer.Option(metavar="NAME", help="Only this suite.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder with records; default: results, or runs.")
    ] = None,
    thumbnails: Annotated[
        bool, typer.Option("--thumbnails", help="With pictures of test rows that changed sides; do not publish them.")
    ] = False,
    data: Annotated[Path | None, typer.Option(metavar="PATH", help="The images, for --thumbnails.")] = None,
) -> int:
    """Write an interactive page of a suite's records, SUITE/report.html, which works offline."""
    from benchmarks.leaderboard.report import page

    pictures = None
    if data is not None and not thumbnails:
        raise UserError("--data PATH is for --thumbnails; give both, or neither.")
    if thumbnails:
        from benchmarks.tools.thumbnails import thumbnails as pictures_from

        pictures = pictures_from(data)
    paths, problems = page.write(out or with_records(PUBLISHED, OWN), suite, pictures)
    for problem in problems:
        print(f"warning: {problem}", file=sys.stderr)
    for path in paths:
        print(f"Report: {path}")
    return 0


def throughput(
    backbone: Annotated[list[str] | None, typer.Option(help="Backbones: names, comma lists, globs.")] = None,
    device: Annotated[Device, typer.Option(help="Where to train.")] = Device.AUTO,
    suite: Annotated[
        str | None, typer.Option(metavar="NAME|FILE.toml", help="Measure at this suite's image and batch size.")
    ] = None,
    image_size: Annotated[int | None, typer.Option(min=8, metavar="PX", help="Default: the suite's, or 64.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=2, metavar="N", help="Default: the suite's, or 64.")] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Batches per turn; default: 8, on a GPU 100.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, metavar="N", help="Rounds of turns; medians are shown.")] = 5,
    again: Annotated[
        bool,
        typer.Option("--again", help="Also time and choose layout and precision again; another choice changes keys."),
    ] = False,
) -> int:
    """Time training against simpler loops."""
    from benchmarks.running.session import pick_device
    from benchmarks.suites.choose import expand_backbones
    from benchmarks.suites.suite import load
    from benchmarks.tools.throughput import report

    chosen = load(suite) if suite else None
    recipe = chosen.recipe if chosen else None
    known = chosen.backbones if chosen else COMMON_BACKBONES
    on = pick_device(device)
    report(
        expand_backbones(backbone or known, known),
        on,
        image_size=image_size or (recipe.image_size if recipe else 64),
        batch_size=batch_size or (recipe.batch_size if recipe else 64),
        steps=steps or (100 if on.type == "cuda" else 8),
        rounds=rounds,
        smallest_size=recipe.size_at(0.0) if recipe and image_size is None else None,
        again=again,
    )
    return 0
