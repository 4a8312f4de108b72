"""The Python API: the functions to use in scripts and notebooks, re-exported by the package `benchmarks`.

They do what the commands `plan`, `run` and `predict` do and raise the same errors: `UserError`, `StrategyError` and
`BackboneError`, each with one sentence that says what to change.
"""

from __future__ import annotations

import contextlib
import json
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from benchmarks.records import storage
from benchmarks.records.record import Record, RecordError
from benchmarks.support.errors import UserError
from strategies import registry
from strategies.base import Strategy

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.records.frames import Frames
    from benchmarks.running.session import Session

_S = TypeVar("_S", bound=type[Strategy])


def load_records(folder: str | Path = "runs") -> pd.DataFrame:
    """Return the records below `folder` as a table with one row per cell and stage.

    Args:
        folder: An output folder such as `runs` or `results`, or one suite's folder in it.

    Returns:
        Columns: the cell (`suite`, `dataset`, `protocol`, `image_size`, `backbone`, `strategy`, `tuned`: whether `tune`
        chose its settings, `seed`, `split`, `status`, `error`, `device`, `dtype`, `made`), its cost in seconds
        (`seconds_alone`: trained by itself; `seconds_marginal`: after the cells before it, with which it shares jobs),
        the stage (`stage`: head, tail or all; `classes`, `train_rows`, `test_rows`, `epochs`, `seconds`), and one
        column per metric of `benchmarks.records.metrics`, "-" written as "_" (`overall`, `class_mean`, `macro_f1`,
        `nll`, ...; NaN where a record does not have it), with `top5_overall` and `top5_class_mean`. A failed cell has
        one row, without a stage.

    Raises:
        UserError: `folder` holds no records.

    A record that cannot be read is left out, with a warning that names it.
    """
    return _frames(folder).stages


def load_frames(folder: str | Path = "runs") -> Frames:
    """Return every number of the records below `folder`, as two tables.

    Args:
        folder: As for `load_records`.

    Returns:
        `stages`: what `load_records` returns. `classes`: one row per cell, stage and class, with the fields that
        identify the cell (`suite`, `dataset`, `protocol`, `image_size`, `backbone`, `strategy`, `tuned`, `seed`,
        `split`), `stage`, `class`, `train_rows`, `validation_rows`, `test_rows`, and in [0, 1] `accuracy` (top-1 on
        the test rows), `top5_accuracy`, `validation_accuracy` and `precision`; NaN where no rows define one.

    Raises:
        UserError: `folder` holds no records.

    A record that cannot be read is left out, with a warning that names it.
    """
    return _frames(folder)


def plan(
    suite: str | Path = "auto",
    *,
    backbones: Sequence[str] = (),
    strategies: Sequence[str] = (),
    seeds: int | None = None,
    data: str | Path | None = None,
    image_root: str | Path | None = None,
    label_column: str | None = None,
    image_column: str | None = None,
    out: str | Path = "runs",
    device: str = "auto",
    threads: int | None = None,
    weights: str | Path | None = None,
    protocol: str | None = None,
    head_classes: int | None = None,
    settings: Mapping[str, Any] | None = None,
    split: int = 0,
) -> Session:
    """Load the data and plan the jobs that `run` will train.

    Args:
        suite: "auto", the name of a suite or a TOML file; see `python -m benchmarks list suites`.
        backbones: Names or globs; empty for the suite's.
        strategies: Expressions such as "a+b(x=1)", or globs; empty for the suite's.
        seeds: How many seeds, counted from 0; None for the suite's number.
        data: Path to your images, for suites that need them.
        image_root: Folder above all images of a table; None for the table's own folder.
        label_column: A table's class column; None to find it by its usual names.
        image_column: A table's column of images or paths; None to find it by its usual names.
        out: Folder for records, leaderboards and trained states.
        device: "auto", "cpu" or "cuda".
        threads: CPU threads per job; None for as many as there are idle cores.
        weights: safetensors file with the first weights.
        protocol: "two-stage" or "joint" in place of the suite's protocol.
        head_classes: Number of head classes in place of the suite's number.
        settings: Other settings of the suite by dotted name, such as {"recipe.epochs.tail": 20}. Each one that
            changes something is appended to the suite's name, so that results do not mix.
        split: 0 for the data's own training and test rows; 1 and up for other splits of the same sizes.

    Returns:
        A session: `session.plan` has the jobs and cells, and `run(session)` trains them.
    """
    from benchmarks.commands.opening import open_asked
    from benchmarks.commands.options import Device, PlanOptions, Protocol

    return open_asked(
        PlanOptions(
            backbone=list(backbones) or None,
            strategy=list(strategies) or None,
            suite=str(suite),
            data=None if data is None else Path(data),
            image_root=None if image_root is None else Path(image_root),
            label_column=label_column,
            image_column=image_column,
            seeds=seeds,
            device=_choice(Device, device, "device"),
            out=Path(out),
            weights=None if weights is None else Path(weights),
            head_classes=head_classes,
            threads=threads,
            protocol=None if protocol is None else _choice(Protocol, protocol, "protocol"),
            set=[f"{name}={_typed(value)}" for name, value in (settings or {}).items()] or None,
        ),
        split=split,
    )


def run(session: Session, *, quiet: bool = False) -> pd.DataFrame:
    """Train the cells of a plan that have no record yet, and update the leaderboards in its output folder.

    Args:
        session: What `plan` returned.
        quiet: Print no progress.

    Returns:
        The rows of `load_records` that belong to the plan's cells. A cell that failed has the status "failed" and its
        error; it does not stop the others.

    Raises:
        UserError: Another process is writing to the same folder.

    Trains in this process, whereas the command `run` trains in a child process and restarts it if it dies.
    """
    from benchmarks.commands.opening import ready_to_run
    from benchmarks.leaderboard import files
    from benchmarks.progress.display import make_reporter
    from benchmarks.progress.reporter import Reporters
    from benchmarks.records import frames
    from benchmarks.running.cells import stored_records
    from benchmarks.running.estimate import look
    from benchmarks.running.local import execute
    from benchmarks.support.lock import only_writer

    session = ready_to_run(session)
    planned, context = session.plan, session.context
    out, suite = context.store.work.parent, context.suite.name
    with only_writer(out, "benchmarks.run", wait=False, say=print):
        outlook = look(planned, context, stored_records(planned, out, suite))
        execute(planned, context, out, Reporters() if quiet else make_reporter(outlook))
        for problem in files.write(out):
            print(f"warning: {problem}", file=sys.stderr)
    return frames.stages(_records_of(session))


def predict(
    model: str | Path, images: str | Path | Sequence[str | Path], *, top: int = 5, below: float = 0.5
) -> pd.DataFrame:
    """Classify image files with a model that the command `export` wrote. Imports no torch.

    Args:
        model: The exported folder.
        images: An image file, a folder or a glob, or several of them.
        top: How many classes per image.
        below: An image whose most probable class has a lower probability is marked as unsure.

    Returns:
        One row per image: `image` (its path), `unsure`, `class` and `probability` of the most probable class, then
        `class_2`, `probability_2` and so on. Probabilities are calibrated.

    Raises:
        UserError: The folder is not an exported model or is damaged, or a name in `images` matches no image.

    An image that cannot be read is left out, with a warning that names it.
    """
    import pandas as pd

    from benchmarks.tools.export import predict as predicting
    from benchmarks.tools.export.model import read
    from benchmarks.tools.export.table import header, row

    asked = [images] if isinstance(images, str | Path) else images
    opened, paths = read(Path(model)), predicting.find_images([str(one) for one in asked])
    rows = []
    for one in predicting.predict(opened, paths, top):
        if one.readable:
            rows.append(row(one, below))
        else:
            warnings.warn(f"{one.path} cannot be read as an image; it is left out.", stacklevel=2)
    return pd.DataFrame(rows, columns=header(min(top, len(opened.labels_C))))


def register(strategy: _S) -> _S:
    """Make a strategy class known by its `name`, as the decorator `strategies.registry.register` does.

    Change the class's `version` when its formula changes: jobs that were trained under the old one are not used again.

    Raises:
        StrategyError: The name cannot be used in an expression, or another strategy has it.
    """
    registry.names()  # so that a name used by the project is rejected here
    return registry.register(strategy)


def _frames(folder: str | Path) -> Frames:
    from benchmarks.records import frames

    found, problems = frames.read(Path(folder))
    for problem in problems:
        warnings.warn(problem, stacklevel=3)  # where `load_...` was called
    return frames.frames(found)


def _choice(options: Any, value: str, what: str) -> Any:
    """Return the member of an enumeration; UserError that lists the members otherwise."""
    try:
        return options(value)
    except ValueError:
        raise UserError(f"no {what} {value!r}; expected {', '.join(options)}.") from None


def _records_of(session: Session) -> list[Record]:
    """Return the records of the plan's cells, without those that a full disk could not store."""
    from benchmarks.running.cells import file_of

    out, suite = session.context.store.work.parent, session.context.suite.name
    found = []
    for cell in session.plan.cells:
        with contextlib.suppress(RecordError):
            found.append(storage.read(file_of(cell, out, suite)))
    return found


def _typed(value: Any) -> str:
    """Return a setting's value as it is typed on the command line."""
    return value if isinstance(value, str) else json.dumps(value)
