"""Fashion Product Images: 44 k photographs of a shop; classes are article types, even years train, all others test."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from benchmarks.data.base import Source
from benchmarks.data.layouts.fashion_layouts import LOOKED_FOR, find, in_zip
from benchmarks.data.layouts.given import require_readable
from benchmarks.data.layouts.shards import is_other
from benchmarks.data.layouts.styles_csv import NAME
from benchmarks.data.registry import dataset
from benchmarks.support.errors import UserError


def recognise(path: Path) -> bool:
    """Whether `path` holds the dataset in one of its three layouts."""
    if path.is_file() and path.suffix.lower() == ".zip":
        return in_zip(path)
    if path.suffix.lower() == ".parquet" and path.is_file() and is_other(path):
        return False
    return find(path) is not None


def _fetch(cache: Path, endpoint: str | None) -> Path:
    from benchmarks.data.fetch import fetch_fashion

    return fetch_fashion(cache, endpoint)


@dataset(
    "fashion",
    "Fashion Product Images, 44 k photographs in 140 article types (--data PATH, or data fetch fashion)",
    expects=LOOKED_FOR,
    recognise=recognise,
    fetch=_fetch,
)
def open_source(path: Path) -> Source:
    """Open Kaggle's folder, Kaggle's zip or the hub's Parquet shards at `path`; the layout is detected.

    Rows without an image stay in the source (its `read` returns None) and are left out when the images are decoded.
    Raises UserError if `path` has none of the three layouts, or cannot be read.
    """
    require_readable(path, LOOKED_FOR)
    opener = find(path)
    if opener is None:
        raise UserError(f"{path} holds no fashion dataset; looked for {LOOKED_FOR}.")
    layout = opener()
    columns = layout.styles.columns
    ids, train = columns["id"], even_years(columns["year"])
    if not ids:
        raise UserError(f"{path} holds the columns of the fashion dataset but no row.")
    yearless = sum(_year(cell) is None for cell in columns["year"])
    return Source(
        name="fashion",
        ids=ids,
        labels=columns["articleType"],
        train=train,
        texts=columns[NAME],
        read=lambda row: layout.image(ids[row]),
        stamp=layout.stamp,
        origin=layout.origin,
        notes=layout.styles.notes + ((("rows without a year (test)", yearless),) if yearless else ()),
        extra={name: cells for name, cells in columns.items() if name not in ("id", "articleType", NAME)},
    )


def even_years(cells: Iterable[str]) -> np.ndarray:
    """Return bool [N]: the study's split, where rows of an even year train and all others test."""
    years = [_year(cell) for cell in cells]
    return np.array([year is not None and year % 2 == 0 for year in years], dtype=bool)


def _year(cell: str) -> int | None:
    """Read a year such as 2012 or 2012.0; None if there is none."""
    try:
        year = float(cell)
    except ValueError:
        return None
    return int(year) if year.is_integer() else None
