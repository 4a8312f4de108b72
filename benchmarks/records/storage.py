"""Record files: where they are, and how they are written and read.

A record is one JSON file, written whole or not at all. A checksum over its canonical JSON detects
damaged and edited files. Every version reads the records of all earlier schemas (see `upgrades`).
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbones.errors import nearest
from backbones.files import write_bytes
from benchmarks.records.record import SCHEMA, Record, RecordError
from benchmarks.records.upgrades import UPGRADES
from benchmarks.support.errors import UserError, one_line

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_UNSAFE = re.compile(r"[^A-Za-z0-9._()=+,-]")
_LONGEST_NAME = 120  # file systems allow 255 bytes for a name, and the temporary file's suffix needs some


def record_path(out: Path, suite: str, backbone: str, strategy: str, seed: int, split: int = 0) -> Path:
    """Return the cell's file below `out`: `<suite>/records/<backbone>/<strategy>-seed<k>.json`, names made safe.

    A split that was drawn is named behind the seed: `...-seed<k>-split<m>.json`.
    """
    name = f"{safe_name(strategy)}-seed{seed}{f'-split{split}' if split else ''}.json"
    return Path(out) / safe_name(suite) / "records" / safe_name(backbone) / name


def path_of(record: Record, out: Path = Path()) -> Path:
    """Return the record's file below `out`: its cell's, or `<strategy as it was asked for>-tuned-seed<k>.json`."""
    path = record_path(out, record.suite, record.backbone, record.strategy, record.seed, record.split)
    if record.tuned is None:
        return path
    return path.with_name(f"{safe_name(str(record.tuned.get('of')))}-tuned-seed{record.seed}.json")


def seeds_of(record: Record, out: Path) -> list[Path]:
    """Return the files below `out` of a record's cell under all seeds that were recorded."""
    path = path_of(record, out)
    before = path.name.removesuffix(f"{record.seed}.json")
    alike = (other for other in path.parent.glob("*.json") if other.name.startswith(before))
    return [other for other in alike if other.stem.removeprefix(before).isdigit()]


def safe_name(text: str) -> str:
    """Return `text` as a file name; if characters had to be replaced, a short hash keeps different texts apart."""
    name = _UNSAFE.sub("_", text).strip(".")[:_LONGEST_NAME]
    return name if name and name == text else f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def write(record: Record, out: Path) -> Path:
    """Write `record` to `path_of(record, out)`, whole or not at all, and return the path.

    Raises `RecordError` if the record could not be read again (a wrong type, a NaN).
    """
    path = path_of(record, out)
    try:
        content = {"schema": record.schema, **dataclasses.asdict(record)}  # the schema is read first
        canonical = _canonical(content)
        _adapter().validate_json(canonical)
    except (TypeError, ValueError) as error:
        raise RecordError(f"the record for {path.name} cannot be written: {_reason(error)}") from error
    content["checksum"] = hashlib.sha256(canonical).hexdigest()
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value, sort_keys=True)}" for name, value in content.items())
    write_bytes(path, f"{{\n{lines}\n}}\n".encode())
    return path


def read(path: Path) -> Record:
    """Read one record, strictly.

    Raises `RecordError`, one sentence, for a file that is missing, truncated, foreign, edited or of a newer schema.
    """
    try:
        content = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path} is not JSON (truncated?); delete it and run again") from error
    if not isinstance(content, dict) or type(content.get("schema")) is not int or "checksum" not in content:
        raise RecordError(f"{path} is not a record of this project: it has no schema number and checksum")
    if content["schema"] > SCHEMA:
        newer = f"its schema {content['schema']} is newer than this version reads ({SCHEMA}); upgrade"
        raise RecordError(f"{path} cannot be read: {newer}")
    found = content.pop("checksum")
    try:
        canonical = _canonical(content)
        if found != hashlib.sha256(canonical).hexdigest():
            raise RecordError(
                f"{path} was changed after it was written (its checksum differs); delete it and run again"
            )
        upgraded = _upgraded(content, path)
        record: Record = _adapter().validate_json(canonical if upgraded is content else _canonical(upgraded))
    except RecordError:
        raise
    except ValueError as error:
        raise RecordError(f"{path} is not a valid record: {_reason(error)}") from error
    return record


def _upgraded(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the content in this version's schema. Raises `RecordError` for a schema that never existed."""
    written = content["schema"]
    while content["schema"] != SCHEMA:
        if content["schema"] not in UPGRADES:
            raise RecordError(f"{path} cannot be read: there is no schema {written}; delete it and run again")
        content = UPGRADES[content["schema"]](content)
    return content


def read_all(folder: Path) -> tuple[list[Record], list[str]]:
    """Read every record below `<out>/<suite>/records`, in path order; return them, and a sentence per bad file."""
    records: list[Record] = []
    problems: list[str] = []
    for place in (Path(folder), *Path(folder).glob("*/")):  # glob skips folders that it may not read
        if place.is_dir() and not os.access(place, os.R_OK | os.X_OK):
            problems.append(f"{place} cannot be read: Permission denied")
    for path in sorted(Path(folder).glob("*/*.json")):
        try:
            record = read(path)
        except RecordError as error:
            problems.append(str(error))
            continue
        belongs = path_of(record)
        if path.parts[-4:] == belongs.parts:
            records.append(record)
        else:  # a copy under another name would be counted twice
            problems.append(f"{path} holds the record of {belongs}; move or delete it")
    return records, problems


def read_suites(out: Path, suite: str | None = None) -> tuple[dict[str, list[Record]], list[str]]:
    """Return the readable records of one suite below `out`, or of all, by folder name, and a sentence per bad file.

    Raises UserError where there is no such folder.
    """
    names = sorted(path.parent.name for path in Path(out).glob("*/records"))
    if suite is not None and names and suite not in names:
        raise UserError(f"no suite {suite!r} below {out}{nearest(suite, names)}; there are {', '.join(names)}.")
    if not names:
        raise UserError(f"no records below {out} (looked for <suite>/records); run some cells or name another --out.")
    found, problems = {}, []
    for name in names if suite is None else (suite,):
        records, said = read_all(Path(out) / name / "records")
        problems += said
        if records:
            found[name] = records
    return found, problems


def read_below(out: Path) -> list[Record]:
    """Return the readable records of all suites below an output folder."""
    return [record for folder in sorted(Path(out).glob("*/records")) for record in read_all(folder)[0]]


def _canonical(content: dict[str, Any]) -> bytes:
    """Return the canonical JSON; its sha256, without the checksum itself, is the checksum."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


@functools.cache
def _adapter() -> TypeAdapter[Record]:
    """Return the strict validator; pydantic is imported when the first record is read or written."""
    from pydantic import TypeAdapter

    return TypeAdapter(Record)


def _reason(error: Exception) -> str:
    """Return the first problem in a few words."""
    if hasattr(error, "errors"):
        first = error.errors()[0]
        return one_line(f"{'.'.join(str(part) for part in first['loc']) or 'record'}: {first['msg']}")
    return one_line(str(error))
