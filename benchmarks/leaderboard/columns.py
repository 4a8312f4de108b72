"""Columns of tables.

To add a column to a table, add one `Column` to the list of the function that describes that table:
`ranking_columns` in rankings.py; `stage_columns`, `against_columns` or `cost_columns` in tables.py; `columns` in
short.py for the table that a run prints. For example, in `cost_columns`:

    Column("threads", lambda entry: max(record.environment.threads for record in entry.records), str)
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Literal, TypeVar

from benchmarks.leaderboard.markdown import NO_BREAK, NOTHING, escape, mark_best, number, table
from benchmarks.leaderboard.sections import Entry
from benchmarks.records import metrics

T = TypeVar("T")
Best = Literal["highest", "lowest"]


@dataclasses.dataclass(frozen=True)
class Column(Generic[T]):
    """One column of a table of rows of type T (entries, classes, records).

    `value(row)` is what the cell shows, `format(value)` its finished Markdown (text that came from data or plugins
    goes through `escape`). `best`: which of the column's numbers is set in bold. `after(row)`: text that
    follows the value and is never bold. `left`: aligned left, for texts; such columns come first.
    """

    header: str
    value: Callable[[T], Any]
    format: Callable[[Any], str] = str
    best: Best | None = None
    after: Callable[[T], str] | None = None
    left: bool = False

    def texts(self, rows: Sequence[T], among: Sequence[T] | None = None) -> list[str]:
        """Return the cells of `rows`; the best is taken over `among`, which contains `rows` (default: `rows`)."""
        every = rows if among is None else among
        values = [self.value(row) for row in every]
        texts = [self.format(value) for value in values]
        if self.best:
            texts = mark_best(values, texts, lowest=self.best == "lowest")
        if self.after:
            texts = [text + self.after(row) for text, row in zip(texts, every, strict=True)]
        found = {id(row): text for row, text in zip(every, texts, strict=True)}
        return [found[id(row)] for row in rows]


BACKBONE: Column[Entry] = Column("backbone", lambda entry: entry.backbone, escape, left=True)
STRATEGY: Column[Entry] = Column("strategy", lambda entry: entry.title, escape, left=True)


def of_metric(name: str, stage: int, header: str = "", top: int = 1, spread: bool = False) -> Column[Entry]:
    """Return the column of a registered metric in a stage (a position), mean over seeds; `top`: 5 for top-5 hits.

    `spread`: followed by the standard deviation over seeds, where there are several; for metrics of top-1 hits.
    """
    metric = metrics.get(name)
    best: dict[bool | None, Best | None] = {True: "highest", False: "lowest", None: None}
    return Column(
        header or metric.header,
        lambda entry: entry.scores[stage].mean(name, top) if metric.needs == "hits" else entry.mean(name, stage),
        lambda value: number(value, metric.digits),
        best=best[metric.higher_is_better],
        after=(lambda entry: _spread(entry.scores[stage].deviation(name))) if spread else None,
    )


def _spread(deviation: float) -> str:
    return "" if math.isnan(deviation) else f"{NO_BREAK}±{NO_BREAK}{number(deviation)}"


def render(
    columns: Sequence[Column[T]],
    rows: Sequence[T],
    last: Mapping[str, str] | None = None,
    among: Sequence[T] | None = None,
) -> str:
    """Return the Markdown table.

    `last`: one more row, header -> finished text, a dash where it has none. `among`: all rows of the table that `rows`
    are a part of; the best of them is bold.
    """
    cells = [column.texts(rows, among) for column in columns]
    if last is not None:
        cells = [[*texts, last.get(column.header, NOTHING)] for column, texts in zip(columns, cells, strict=True)]
    return table([column.header for column in columns], cells, left=sum(column.left for column in columns))
