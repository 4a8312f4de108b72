"""Options shared by several commands, as dataclasses whose fields become command-line options."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from benchmarks.support.errors import UserError

_Options = TypeVar("_Options")


class Device(StrEnum):
    """Where to train."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


MOST_THREADS = 1024  # with many more, torch ends in a segmentation fault
MOST_JOBS = 256
MOST_SECONDS = 1e7
MOST_TRIALS = 1024
OWN, PUBLISHED = Path("runs"), Path("results")


def with_records(*folders: Path) -> Path:
    """Return the first of the folders that holds records, else the first."""
    return next((folder for folder in folders if any(folder.glob("*/records"))), folders[0])


class Executor(StrEnum):
    """What runs the jobs."""

    LOCAL = "local"
    RAY = "ray"


class Trains(StrEnum):
    """What is trained."""

    ALL = "all"
    CLASSIFIER = "classifier"


class Protocol(StrEnum):
    """Head then tail, or one stage over all classes."""

    TWO_STAGE = "two-stage"
    JOINT = "joint"


def not_nan(seconds: float | None) -> float | None:
    """Refuse NaN, which is neither below a minimum nor above a maximum."""
    if seconds is not None and seconds != seconds:
        raise typer.BadParameter("nan is not a number of seconds.")
    return seconds


ImageRoot = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Folder above all images of a table; default: the table's.", exists=True, file_okay=False
    ),
]
LabelColumn = Annotated[
    str | None, typer.Option(metavar="NAME", help="A table's column of classes; default: by its usual name.")
]
ImageColumn = Annotated[
    str | None, typer.Option(metavar="NAME", help="A table's column of images or paths; default: by its usual name.")
]


def of_table(image_root: Path | None, label_column: str | None, image_column: str | None) -> dict[str, str]:
    """Return the given table options as options of the dataset."""
    said = {"image_root": image_root and str(image_root), "label_column": label_column, "image_column": image_column}
    return {name: value for name, value in said.items() if value}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableOptions:
    """Options of every command that reads a table of images."""

    image_root: ImageRoot = None
    label_column: LabelColumn = None
    image_column: ImageColumn = None

    @property
    def of_table(self) -> dict[str, str]:
        """The given table options, as options of the dataset."""
        return of_table(self.image_root, self.label_column, self.image_column)


@dataclasses.dataclass(frozen=True)
class SessionOptions(TableOptions):
    """Options of every command that plans jobs on data, as typed; None means the suite's default."""

    strategy: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME,...", help="Strategies: names, a+b(x=1), comma lists, globs such as 'over*'."),
    ] = None
    suite: Annotated[
        str, typer.Option(metavar="NAME|FILE.toml", help="auto, a suite of `list suites`, or a TOML file.")
    ] = "auto"
    data: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Your data: folder, zip, table, or hf:OWNER/NAME.")
    ] = None
    image_size: Annotated[int | None, typer.Option(min=8, metavar="PX", help="Image size instead of the suite's.")] = (
        None
    )
    device: Annotated[Device, typer.Option(help="Where to train.")] = Device.AUTO
    threads: Annotated[int | None, typer.Option(min=1, max=MOST_THREADS, metavar="N", help="CPU threads per job.")] = (
        None
    )
    jobs: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_JOBS, metavar="N", help="Jobs side by side on the CPU; default: by the machine."),
    ] = None
    plugin: Annotated[
        list[Path] | None, typer.Option(metavar="FILE.py", help="Python file with further strategies.")
    ] = None
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for records and leaderboards.")] = OWN


@dataclasses.dataclass(frozen=True)
class PlanOptions(SessionOptions):
    """Options of `plan` and `run`."""

    all: Annotated[bool, typer.Option("--all", help="All backbones and strategies of the suite.")] = False
    backbone: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME,...", help="Backbones: names, comma lists, globs such as 'mobile*:mlp1'."),
    ] = None
    seeds: Annotated[int | None, typer.Option(min=1, metavar="N", help="How many seeds, counted from 0.")] = None
    resample_splits: Annotated[
        int,
        typer.Option(
            min=1, max=1000, metavar="K", help="How many splits, the data's own first: other test rows, same sizes."
        ),
    ] = 1
    weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE.safetensors", help="File with first weights; default: package, hub's cache, hub."),
    ] = None
    head_classes: Annotated[int | None, typer.Option(min=1, metavar="K", help="How many classes are head classes.")] = (
        None
    )
    protocol: Annotated[Protocol | None, typer.Option(help="Protocol instead of the suite's.")] = None
    trains: Annotated[
        Trains | None, typer.Option(help="classifier: train it alone, on frozen ImageNet features (minutes on a CPU).")
    ] = None
    set: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting of the suite, such as recipe.learning_rate=0.01."),
    ] = None
    force: Annotated[bool, typer.Option("--force", help="Train classifiers even on features of random weights.")] = (
        False
    )


@dataclasses.dataclass(frozen=True)
class TrainOptions(SessionOptions):
    """Options of every command that trains: how jobs are executed."""

    tensorboard: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for TensorBoard logs.")] = None
    executor: Annotated[Executor, typer.Option(help="Run in this process, or on Ray.")] = Executor.LOCAL
    address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT|auto", help="Ray cluster to join; default: start one here.")
    ] = None
    jobs_per_device: Annotated[
        int | None, typer.Option(min=1, metavar="K", help="On Ray: jobs that share a GPU, or a machine's cores.")
    ] = None
    wait: Annotated[bool, typer.Option("--wait", help="Wait for another run in the same folder to end.")] = False
    job_timeout: Annotated[
        float | None,
        typer.Option(
            min=1, max=MOST_SECONDS, metavar="SECONDS", callback=not_nan, help="Give up a job that takes longer."
        ),
    ] = None
    checkpoint_seconds: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=MOST_SECONDS,
            metavar="SECONDS",
            callback=not_nan,
            help="Between checkpoints within an epoch; default 60.",
        ),  # fmt: skip
    ] = None


@dataclasses.dataclass(frozen=True)
class ExecuteOptions(TrainOptions, PlanOptions):
    """Options of `run` and `tune`."""

    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and train nothing.")] = False


@dataclasses.dataclass(frozen=True)
class RunOptions(ExecuteOptions):
    """Options of `run` alone."""

    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Only the cells that failed before.")] = False


@dataclasses.dataclass(frozen=True)
class TuneOptions(ExecuteOptions):
    """Options of `tune` alone."""

    trials: Annotated[
        int, typer.Option(min=1, max=MOST_TRIALS, metavar="N", help="Settings to try per strategy, the default first.")
    ] = 16
    trial_seeds: Annotated[
        int, typer.Option(min=1, metavar="K", help="Seeds of each trial, counted from 0; --seeds are for the choice.")
    ] = 1


def check_executor(options: TrainOptions) -> None:
    """Raise UserError for Ray options without `--executor ray`, and for `--jobs` with it."""
    if options.executor == Executor.RAY and options.jobs:
        raise UserError("--jobs is for runs without Ray; with --executor ray, --jobs-per-device K does it.")
    if options.executor == Executor.LOCAL and (options.address or options.jobs_per_device):
        raise UserError("--address and --jobs-per-device belong to Ray; add --executor ray, or leave them out.")


def takes(options: type[_Options]) -> Callable[[Callable[[_Options, typer.Context], int]], Callable[..., int]]:
    """Return a decorator that turns the fields of `options`, a command's first parameter, into its options."""

    def decorate(command: Callable[[_Options, typer.Context], int]) -> Callable[..., int]:
        def entry(context: typer.Context, **values: Any) -> int:
            return command(options(**values), context)

        hints = {"context": typer.Context, **get_type_hints(options, include_extras=True)}
        parameters = [inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY)]
        for field in dataclasses.fields(options):  # type: ignore[arg-type]
            default = inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default
            parameters.append(
                inspect.Parameter(
                    field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hints[field.name]
                )
            )
        entry.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        entry.__annotations__ = hints
        entry.__doc__ = command.__doc__
        return entry

    return decorate
