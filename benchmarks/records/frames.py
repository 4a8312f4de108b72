"""Records -> pandas: every number of every cell, for analyses of your own, CSV and Parquet."""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backbones.files import write_bytes
from benchmarks.records import confusions, metrics, storage
from benchmarks.records.kinds import transductive
from benchmarks.records.record import Record
from benchmarks.support.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

# What identifies a cell, and what else a row says of it: fields of `Record` and its parts, `tuned`, `transductive`.
CELL = (
    "suite", "dataset", "protocol", "image_size", "backbone", "strategy", "transductive", "tuned", "seed", "split",
)  # fmt: skip
MORE = ("status", "error", "seconds_alone", "seconds_marginal", "device", "dtype", "made")
STAGE = ("stage", "classes", "train_rows", "test_rows", "epochs", "seconds")
CLASS = (
    "stage", "class", "train_rows", "validation_rows", "test_rows", "accuracy", "top5_accuracy", "validation_accuracy",
    "precision",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Frames:
    """`stages`: one row per cell and stage, one per failed cell. `classes`: one row per cell, stage and class."""

    stages: pd.DataFrame
    classes: pd.DataFrame


def read(folder: Path) -> tuple[list[Record], list[str]]:
    """Return the records below an output folder or one suite's folder, and a sentence per unreadable one.

    Raises `UserError` where there are none.
    """
    places = [place for place in (folder / "records", *sorted(folder.glob("*/records"))) if place.is_dir()]
    if not places:
        raise UserError(f"{folder} holds no records; give an output folder such as runs, or a suite's folder in it.")
    found = [storage.read_all(place) for place in places]
    return [record for records, _ in found for record in records], [one for _, problems in found for one in problems]


def frames(records: Sequence[Record]) -> Frames:
    """Return the numbers of the records; NaN where a record does not have one, or no rows define it."""
    return Frames(stages(records), _classes(records))


def stages(records: Sequence[Record]) -> pd.DataFrame:
    """Return `Frames.stages`; metrics are columns with "_" for "-"."""
    import pandas as pd

    names = [name.replace("-", "_") for name in metrics.names()]
    columns = [*CELL, *MORE, *STAGE, *names, "top5_overall", "top5_class_mean"]
    rows = [
        {**_fields(record, (*CELL, *MORE)), **scores}
        for record in records
        for scores in [_scores(record, stage) for stage in range(len(record.stages))] or [{}]
    ]
    return pd.DataFrame(rows, columns=columns)


def write_csv(found: Frames, path: Path) -> list[Path]:
    """Write `stages` to `path` and `classes` to a file of the same name with "-classes"; return both paths."""
    return _write(found, path, lambda frame: frame.to_csv(index=False).encode())


def write_parquet(found: Frames, path: Path) -> list[Path]:
    """Write the two files that `write_csv` writes, as Parquet."""

    def content(frame: pd.DataFrame) -> bytes:
        buffer = io.BytesIO()
        frame.to_parquet(buffer, index=False)
        return buffer.getvalue()

    return _write(found, path, content)


def _write(found: Frames, path: Path, content: Any) -> list[Path]:
    paths = [path, path.with_name(f"{path.stem}-classes{path.suffix}")]
    try:
        for one, frame in zip(paths, (found.stages, found.classes), strict=True):
            write_bytes(one, content(frame))
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror or error}); choose another file.") from error
    return paths


def _fields(record: Record, names: Sequence[str]) -> dict[str, Any]:
    fields = {**vars(record), **vars(record.setup), **vars(record.environment), **vars(record.cost)}
    fields["tuned"] = record.tuned is not None
    fields["transductive"] = transductive(record.strategy)
    return {name: fields[name] for name in names}


def _scores(record: Record, position: int) -> dict[str, Any]:
    stage, values = record.stages[position], metrics.of_stage(record, position)
    train_C, test_C = np.array(stage.train_n), np.array(stage.test_n)
    top5 = metrics.from_hits(np.array(stage.top5_hits), train_C=train_C, test_C=test_C)
    return {
        "stage": stage.name,
        "classes": len(stage.classes),
        "train_rows": int(train_C.sum()),
        "test_rows": stage.rows,
        "epochs": stage.epochs,
        "seconds": stage.seconds,
        **{name.replace("-", "_"): values.get(name, math.nan) for name in metrics.names()},
        "top5_overall": top5["overall"],
        "top5_class_mean": top5["class-mean"],
    }


def _classes(records: Sequence[Record]) -> pd.DataFrame:
    """Return `Frames.classes`."""
    import pandas as pd

    columns: dict[str, list[Any]] = {name: [] for name in (*CELL, *CLASS)}
    for record in records:
        cell = _fields(record, CELL)
        for position, stage in enumerate(record.stages):
            count = len(stage.classes)
            test_C, predicted_CC = np.array(stage.test_n), confusions.predictions(record, position)
            precision_C = np.full(count, math.nan) if predicted_CC is None else confusions.precision(predicted_CC)
            values = {
                **{name: [value] * count for name, value in cell.items()},
                "stage": [stage.name] * count,
                "class": stage.classes,
                "train_rows": stage.train_n,
                "validation_rows": stage.validation_n,
                "test_rows": stage.test_n,
                "accuracy": _share(stage.top1_hits, test_C),
                "top5_accuracy": _share(stage.top5_hits, test_C),
                "validation_accuracy": _share(stage.validation_top1_hits, np.array(stage.validation_n)),
                "precision": precision_C.tolist(),
            }
            for name, column in columns.items():
                column.extend(values[name])
    return pd.DataFrame(columns)


def _share(hits_C: Sequence[int], rows_C: np.ndarray) -> list[float]:
    """Return hits over rows per class, NaN without rows."""
    return list(np.where(rows_C > 0, np.array(hits_C) / np.maximum(rows_C, 1), math.nan).tolist())
