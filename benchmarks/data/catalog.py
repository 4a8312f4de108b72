"""The built-in default: a synthetic product catalogue with the real one's columns and long-tailed class counts.

About 45 article types, some easily confused, with so few rows in the tail that plain training misses part of it. Each
row is a function of (seed, article type, number within the type) and does not depend on other rows.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from benchmarks.data.base import Source
from benchmarks.data.registry import dataset
from benchmarks.support.errors import UserError
from benchmarks.support.keys import content_key, generator

_FIRST_ID = 10_001


@dataset("catalog", "the embedded default: a product catalogue drawn by code, 46 article types with a long tail")
def open_source(seed: int = 0, rows_scale: float = 1.0) -> Source:
    """Return the catalogue: 4,121 training rows of 45 classes and 2,480 test rows of 45 at `rows_scale` 1.

    `rows_scale` in (0, 1] draws fewer rows per class, but at least two training rows (one test row) if the class has
    any; the remaining rows are unchanged except for their ids. Pixels are drawn when read, uint8 [80, 60, 3] RGB,
    by any number of threads. Raises UserError for a `rows_scale` out of range.
    """
    if not 0 < rows_scale <= 1:
        raise UserError(
            f"rows_scale is {rows_scale}, expected a number above 0 and at most 1: leave it out for all rows."
        )
    from benchmarks.data.drawing.products import VERSION, Product, describe, draw

    rows = _rows(seed, rows_scale)
    described = [describe(kind, train, generator("catalog", VERSION, seed, kind, train, k)) for kind, train, k in rows]
    ids = generator("catalog", seed, "ids").permutation(len(rows)) + _FIRST_ID

    def read(row: int) -> np.ndarray:
        """Draw one row, uint8 [H, W, 3]."""
        kind, train, k = rows[row]
        return draw(*described[row], generator("catalog", VERSION, seed, kind, train, k, "pixels"))

    def column(name: str) -> tuple[str, ...]:
        return tuple(getattr(product, name) for product, _ in described)

    own = ("articleType", "productDisplayName")
    return Source(
        name="catalog",
        ids=tuple(map(str, ids.tolist())),
        labels=column("articleType"),
        train=np.array([train for _, train, _ in rows], dtype=np.bool_),
        texts=column("productDisplayName"),
        read=read,
        stamp=content_key(["catalog", VERSION, seed, rows_scale]),
        origin=f"drawn by code, version {VERSION}, seed {seed}",
        notes=(("products without a name", sum(not product.productDisplayName for product, _ in described)),),
        extra={f.name: column(f.name) for f in dataclasses.fields(Product) if f.name not in own},
        fixed_split=False,
    )


def _rows(seed: int, rows_scale: float) -> tuple[tuple[str, bool, int], ...]:
    """Return (article type, whether it trains, its number within the type and part) of every row, shuffled."""
    from benchmarks.data.drawing.articles import ARTICLES

    rows = [
        (kind, train, k)
        for kind, article in ARTICLES.items()
        for train, count in ((True, article.train), (False, article.test))
        for k in range(_scaled(count, rows_scale, at_least=2 if train else 1))
    ]
    order = generator("catalog", seed, "order").permutation(len(rows))
    return tuple(rows[i] for i in order)


def _scaled(count: int, rows_scale: float, at_least: int) -> int:
    """Return how many of `count` rows to draw."""
    return min(count, max(at_least, round(count * rows_scale)))
