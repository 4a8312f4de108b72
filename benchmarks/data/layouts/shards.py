"""Rows and images of the hub's Parquet shards: columns are read as text at once, images on request."""

from __future__ import annotations

import bisect
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.data.layouts.styles_csv import NEEDED
from benchmarks.support.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUPS_HELD = 8


class Shards:
    """Parquet files read as one table, with a column `image` of struct<bytes, path> or of bytes."""

    def __init__(self, files: Sequence[Path], needed: Sequence[str] = NEEDED, image: str = "image") -> None:
        """Open the files' metadata; UserError if one is not Parquet or lacks the image column or one of `needed`."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._lock, self._image = threading.Lock(), image
        self._held: OrderedDict[int, pa.Array] = OrderedDict()
        self._files: list[pq.ParquetFile] = []
        self._groups: list[tuple[int, int]] = []  # file, row group within it
        self._starts: list[int] = []  # first row of each row group
        rows = 0
        for path in files:
            try:
                file = pq.ParquetFile(path)
            except (OSError, pa.ArrowInvalid) as error:
                raise UserError(f"{path} is not a Parquet file that can be read; fetch or copy it again.") from error
            _require_columns(file, path, needed, image)
            for group in range(file.metadata.num_row_groups):
                self._groups.append((len(self._files), group))
                self._starts.append(rows)
                rows += file.metadata.row_group(group).num_rows
            self._files.append(file)
        self.rows = rows

    def columns(self, names: Sequence[str] | None = None) -> dict[str, tuple[str, ...]]:
        """Return the named columns (default: all but the images) as text, a missing value as the empty string."""
        names = names or [field.name for field in self._files[0].schema_arrow if field.name != self._image]
        found: dict[str, list[str]] = {name: [] for name in names}
        for file in self._files:
            table = file.read(columns=list(names))
            for name in names:
                found[name] += [as_text(value) for value in table[name].to_pylist()]
        return {name: tuple(values) for name, values in found.items()}

    def image(self, row: int) -> bytes | None:
        """Return the encoded image of a row of the whole table, None if it has none. Thread-safe."""
        group = bisect.bisect_right(self._starts, row) - 1
        value = self._images(group)[row - self._starts[group]]
        return value.as_py() or None

    def _images(self, group: int) -> pa.Array:
        """Return the encoded images of a row group; the last `ROW_GROUPS_HELD` are cached."""
        import pyarrow as pa

        with self._lock:
            if group in self._held:
                self._held.move_to_end(group)
                return self._held[group]
            file, index = self._groups[group]
            opened = self._files[file]
            nested = pa.types.is_struct(opened.schema_arrow.field(self._image).type)
            wanted = f"{self._image}.bytes" if nested else self._image
            column = opened.read_row_group(index, columns=[wanted])[self._image].combine_chunks()
            chunk = column.chunk(0) if hasattr(column, "chunks") else column
            # flatten, unlike field(0), keeps a missing struct missing
            self._held[group] = chunk.flatten()[0] if nested else chunk
            while len(self._held) > ROW_GROUPS_HELD:
                self._held.popitem(last=False)
            return self._held[group]


def is_other(path: Path) -> bool:
    """Whether the file is Parquet but lacks a column of the dataset."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = pq.read_schema(path).names
    except (OSError, pa.ArrowInvalid):
        return False
    return not {*NEEDED, "image"} <= set(names)


def _require_columns(file: pa.parquet.ParquetFile, path: Path, needed: Sequence[str], image: str) -> None:
    """Raise UserError for a shard without the needed columns."""
    import pyarrow as pa

    schema = file.schema_arrow
    if missing := [name for name in (*needed, image) if name not in schema.names]:
        raise UserError(f"{path} lacks the column {missing[0]!r}; expected {', '.join(needed)} and {image}.")
    kind = schema.field(image).type
    if not pa.types.is_binary(kind) and not (pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0):
        raise UserError(f"The column {image} of {path} must be struct<bytes, path>, as the hub serves it, not {kind}.")


def as_text(value: object) -> str:
    """Return a cell as styles.csv writes it: whole numbers without a decimal point."""
    if value is None:
        return ""
    if isinstance(value, float):
        return "" if value != value else f"{value:g}"
    return str(value)
