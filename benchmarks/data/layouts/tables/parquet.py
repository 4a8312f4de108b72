"""Parquet files as one table: texts are read at once, embedded images on request."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.data.layouts.image_files import part_of
from benchmarks.data.layouts.shards import Shards, as_text
from benchmarks.data.layouts.tables.columns import LABELS, PATHS, first_of
from benchmarks.data.layouts.tables.table import Asked, Table
from benchmarks.support.errors import UserError, one_line

if TYPE_CHECKING:
    import pyarrow as pa


def parquet_files(path: Path, asked: Asked) -> list[Path]:
    """Return the Parquet files that list or hold images: `path` itself, or those in it and its subfolders.

    If `path` is a file, it is returned whatever its columns, so that the error says which are needed.
    """
    if path.is_file():
        return [path] if path.suffix.lower() == ".parquet" else []
    return [file for file in sorted([*path.glob("*.parquet"), *path.glob("*/*.parquet")]) if _is_table(file, asked)]


def read_parquet(origin: Path, files: list[Path]) -> Table:
    """Return the rows of all files, with the columns that all of them have.

    A file's part is the word train, test or validation at the start of its name, or its folder's name.
    Raises UserError for a file that is not Parquet.
    """
    schemas = []
    for file in files:
        if (schema := _schema(file)) is None:
            raise UserError(f"{file} is not a Parquet file that can be read; copy it again.")
        schemas.append(schema)
    common = [name for name in schemas[0].names if all(name in schema.names for schema in schemas)]
    embedded = [name for name in common if _holds_images(schemas[0].field(name))]
    texts = [name for name in common if _is_text(schemas[0].field(name))]
    columns = _read_texts(files, texts)
    classes = _class_names(schemas[0])
    for name in classes.keys() & columns.keys():
        columns[name] = tuple(_name(classes[name], cell) for cell in columns[name])
    read = {name: Shards(files, [], image=name).image for name in embedded}
    parts = [part_of(file.stem.partition("-")[0]) or part_of(file.parent.name) for file in files]
    split = [part for part, file in zip(parts, files, strict=True) for _ in range(_rows(file))]
    marks = [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    return Table(
        origin, columns, read, frozenset(classes), [part or "" for part in split] if all(parts) else None, marks
    )


def _read_texts(files: list[Path], names: list[str]) -> dict[str, Sequence[str]]:
    """Return the columns as text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found: dict[str, list[str]] = {name: [] for name in names}
    for file in files:
        try:
            table = pq.ParquetFile(file).read(columns=names)
            for name in names:
                found[name] += map(as_text, table[name].to_pylist())
        except (OSError, ValueError, pa.ArrowException) as error:
            raise UserError(f"{file} is damaged ({one_line(str(error))[:200]}); copy it again.") from error
    return dict(found)


def _is_table(path: Path, asked: Asked) -> bool:
    """Whether a file has a column of images or paths and one of classes."""
    schema = _schema(path)
    if schema is None:
        return False
    images = asked.image_column in schema.names or any(map(_holds_images, schema)) or first_of(schema.names, PATHS)
    labels = asked.label_column in schema.names or first_of(schema.names, LABELS) or _class_names(schema)
    return bool(images and labels)


def _schema(path: Path) -> pa.Schema | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_schema(path)
    except (OSError, ValueError, pa.ArrowException):
        return None


def _rows(path: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def _holds_images(field: pa.Field) -> bool:
    """Whether a column is struct<bytes, path>, as the hub serves images, or of bytes under a usual name."""
    import pyarrow as pa

    if pa.types.is_struct(field.type):
        at = field.type.get_field_index("bytes")
        return at >= 0 and pa.types.is_binary(field.type.field(at).type)
    return pa.types.is_binary(field.type) and field.name.lower() in PATHS


def _is_text(field: pa.Field) -> bool:
    """Whether a column's cells can be read as text."""
    import pyarrow as pa

    binary = pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type)
    return not pa.types.is_nested(field.type) and not binary


def _class_names(schema: pa.Schema) -> dict[str, list[str]]:
    """Return the names of the classes of each column whose Hugging Face feature is ClassLabel."""
    try:
        features: dict[str, Any] = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {
            name: [str(class_name) for class_name in feature["names"]]
            for name, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and name in schema.names
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def _name(names: list[str], cell: str) -> str:
    """Return the name of class number `cell`; "" for -1, which marks rows without a class."""
    return names[int(cell)] if cell.isdecimal() and int(cell) < len(names) else ""
