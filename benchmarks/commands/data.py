"""`data info|check|fetch|export|weights`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backbones.errors import nearest
from benchmarks.commands.options import ImageColumn, ImageRoot, LabelColumn, of_table
from benchmarks.support.errors import UserError

if TYPE_CHECKING:
    from benchmarks.suites.suite import Suite

app = typer.Typer(
    help="Show, check, fetch and export data, write weights.", rich_markup_mode=None, pretty_exceptions_enable=False
)

Data = Annotated[Path | None, typer.Option(help="Your data: folder, zip, table, or hf:OWNER/NAME.")]


@app.command()
def info(
    dataset: Annotated[str, typer.Argument(help="auto, or a dataset of `list datasets`.")] = "auto",
    data: Data = None,
    image_root: ImageRoot = None,
    label_column: LabelColumn = None,
    image_column: ImageColumn = None,
    head_classes: Annotated[int | None, typer.Option(min=1, help="Number of head classes.")] = None,
    per_class: Annotated[bool, typer.Option("--per-class", help="Also list every class with its rows.")] = False,
    pictures: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Draw class counts and a contact sheet into this folder.")
    ] = None,
) -> int:
    """Show a dataset's rows, classes, head and tail, and the irregularities that were found and corrected."""
    from benchmarks.data.describe import lines
    from benchmarks.data.load import cache_folder, load
    from benchmarks.planning.fit import head_classes as by_rows
    from benchmarks.progress.display import progress
    from benchmarks.suites.choose import adapt

    suite = adapt(_suite(dataset, data, of_table(image_root, label_column, image_column)), None, head_classes)
    with progress() as advance:
        loaded = load(
            suite.dataset,
            path=data,
            size=suite.recipe.image_size,
            cache=cache_folder(),
            advance=advance,
            say=print,
            options=suite.options,
        )
    head = suite.head_classes or by_rows(loaded)
    print("\n".join(lines(loaded, head, per_class=per_class)))
    if pictures is not None:
        from benchmarks.tools.pictures import draw

        print(f"\nPictures: {', '.join(map(str, draw(loaded, pictures)))}")
    return 0


@app.command()
def check(
    dataset: Annotated[str, typer.Argument(help="auto, or a dataset of `list datasets`.")] = "auto",
    data: Data = None,
    image_root: ImageRoot = None,
    label_column: LabelColumn = None,
    image_column: ImageColumn = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if a problem is found.")] = False,
    most: Annotated[int, typer.Option(min=0, metavar="N", help="Places to name for each problem.")] = 20,
) -> int:
    """Report unreadable images, duplicates across classes or splits, and classes that are small or named alike."""
    from benchmarks.data.load import cache_folder, checked
    from benchmarks.progress.display import progress

    suite = _suite(dataset, data, of_table(image_root, label_column, image_column))
    size = suite.recipe.image_size
    with progress() as advance:
        source, found = checked(
            suite.dataset, path=data, size=size, cache=cache_folder(), advance=advance, options=suite.options
        )
    classes = len(set(source.labels))
    print(f"{source.name}: {len(source.ids):,} rows, {classes:,} classes, decoded at {size} px, from {source.origin}")
    print("\n".join(found.lines(most)))
    return int(strict and bool(found.problems))


def _suite(dataset: str, data: Path | None, options: dict[str, str]) -> Suite:
    """Return the suite at the image size that a run would use, so that the run finds the images decoded."""
    from benchmarks.commands.opening import warn
    from benchmarks.data.registry import discover
    from benchmarks.suites.choose import choose_suite, of_dataset
    from benchmarks.suites.settings import with_options

    warn(discover())
    suite = choose_suite("auto", data, device="cpu")[0] if dataset == "auto" else of_dataset(dataset)
    return with_options(suite, options)


@app.command()
def fetch(
    dataset: Annotated[str, typer.Argument(help="Which dataset to fetch.")] = "fashion",
    endpoint: Annotated[str | None, typer.Option(help="URL of a hub, instead of the default one.")] = None,
) -> int:
    """Download a dataset into the cache."""
    from benchmarks.commands.opening import warn
    from benchmarks.data.load import cache_folder
    from benchmarks.data.registry import datasets, discover

    warn(discover())
    fetched = {entry.name: entry.fetch for entry in datasets() if entry.fetch}
    if dataset not in fetched:
        known = ", ".join(fetched)
        raise UserError(f"There is no dataset {dataset!r} to fetch{nearest(dataset, fetched)}; expected {known}.")
    print(f"The dataset is in {fetched[dataset](cache_folder(), endpoint)}; runs find it there.")
    return 0


class Form(StrEnum):
    """Layouts that `export` writes and `--data` reads."""

    FOLDER = "folder"
    ZIP = "zip"
    PARQUET = "parquet"


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Empty or new folder to write to.")],
    dataset: Annotated[str, typer.Argument(help="auto, or a dataset of `list datasets`.")] = "auto",
    data: Data = None,
    image_root: ImageRoot = None,
    label_column: LabelColumn = None,
    image_column: ImageColumn = None,
    form: Annotated[
        Form, typer.Option(help="Folder or zip as on Kaggle, or Parquet shards as on the hub.")
    ] = Form.FOLDER,
    image_size: Annotated[
        int | None, typer.Option(min=8, max=1024, metavar="PX", help="Images as a run decodes them at this size.")
    ] = None,
) -> int:
    """Write a dataset to disk in a layout that --data reads."""
    from benchmarks.data import export as exporting
    from benchmarks.data.load import cache_folder, open_source

    suite = _suite(dataset, data, of_table(image_root, label_column, image_column))
    source = open_source(suite.dataset, data, cache=cache_folder(), options=suite.options)
    print(f"Written; use it with --data {exporting.export(source, folder, form.value, image_size)}")
    return 0


@app.command()
def weights(
    backbone: Annotated[str, typer.Argument(help="A backbone with ImageNet weights.")],
    file: Annotated[Path, typer.Argument(metavar="FILE.safetensors", help="File to write.")],
) -> int:
    """Write a backbone's ImageNet weights in float16, for --weights on a machine without a network."""
    from backbones.weights import write_half

    write_half(backbone, file)
    print(f"Written; use it with --weights {file}")
    return 0
