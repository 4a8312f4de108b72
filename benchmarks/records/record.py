"""What one cell measured, as one JSON file: schema, checks, and atomic writing.

A record is all that a leaderboard ever sees. Per class it holds counts, never percentages; per test row it holds one
bit for top-1 and one for top-5, so that two records can be compared row by row. A checksum over the canonical JSON
tells a hand-edited or damaged file from a measured one.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import functools
import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from benchmarks.support.errors import one_line
from benchmarks.support.files import write_bytes

if TYPE_CHECKING:
    import numpy as np
    from pydantic import TypeAdapter

SCHEMA: Literal[1] = 1
# For each older schema, what makes a record's content one of the next: every version reads all before it. The step
# notes in `extra["measured_schema"]` what it was, so that no table mixes the two. (None yet: 1 is the first.)
UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
_UNSAFE = re.compile(r"[^A-Za-z0-9._()=+,-]")
_LONGEST_NAME = 120  # file systems allow 255 bytes for a name; the temporary file's suffix needs room too


class RecordError(ValueError):
    """A record that cannot be read or must not be written; the message is one sentence that names the file."""


@dataclasses.dataclass(frozen=True)
class StageResult:
    """What one stage measured. Tuples are per class, in the order of `classes` (most training rows first).

    `train_n`: rows trained on (validation rows not counted). `rows`: test rows of the stage. `top1_bits`, `top5_bits`:
    `pack_bits` over them, class by class, so that `test_n` tells which bits are whose. `rows_key`: hash of the rows'
    ids in the data set's order; two records may be paired only where it is equal. `jobs`: keys of the jobs trained for
    the stage, `seconds` their training time, `img_per_s` their training throughput.

    Raises `RecordError` on construction where the counts contradict each other.
    """

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid", "strict": True}

    stage: int
    name: Literal["head", "tail", "all"]
    classes: tuple[str, ...]
    train_n: tuple[int, ...]
    validation_n: tuple[int, ...]
    test_n: tuple[int, ...]
    top1_hits: tuple[int, ...]
    top5_hits: tuple[int, ...]
    validation_top1_hits: tuple[int, ...]
    rows: int
    top1_bits: str
    top5_bits: str
    rows_key: str
    jobs: tuple[str, ...]
    epochs: int
    seconds: float
    img_per_s: float

    def __post_init__(self) -> None:
        """Check that lengths, counts and bits agree."""
        per_class = (self.train_n, self.validation_n, self.test_n, self.top1_hits, self.top5_hits)
        if any(len(values) != len(self.classes) for values in (*per_class, self.validation_top1_hits)):
            raise RecordError(f"stage {self.name!r} does not have one count per class")
        if len(set(self.classes)) != len(self.classes):
            raise RecordError(f"stage {self.name!r} names a class twice")
        tops = zip(self.top1_hits, self.top5_hits, self.test_n, strict=True)
        validation = zip(self.validation_top1_hits, self.validation_n, strict=True)
        if not all(0 <= a <= b <= n for a, b, n in tops) or not all(0 <= a <= n for a, n in validation):
            raise RecordError(f"stage {self.name!r} counts more hits than rows, or more in the top 1 than in the top 5")
        if sum(self.test_n) != self.rows or min(self.train_n, default=0) < 0:
            raise RecordError(f"stage {self.name!r} has {self.rows} rows, but its classes sum to {sum(self.test_n)}")
        for bits, hits in ((self.top1_bits, self.top1_hits), (self.top5_bits, self.top5_hits)):
            if _count_bits(bits, self.test_n) != hits:
                raise RecordError(f"stage {self.name!r} has bits that do not sum to its hits, class by class")


@dataclasses.dataclass(frozen=True)
class Record:
    """What one cell (backbone x strategy x seed on a data set) measured, or why it failed.

    `seconds_alone`: what the cell would cost by itself; `seconds_marginal`: what it cost after the cells before it,
    whose jobs it shares. `key`: the cell's content key. `made`: UTC, ISO 8601. `extra`: confusions, and a
    strategy's own counts.

    Raises `RecordError` on construction where status, error and stages contradict each other.
    """

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid", "strict": True}

    suite: str
    protocol: Literal["two-stage", "joint"]
    dataset: str
    fingerprint: str
    image_size: int
    backbone: str
    strategy: str
    seed: int
    status: Literal["done", "failed"]
    error: str | None
    stages: tuple[StageResult, ...]
    unseen_classes: int
    unseen_rows: int
    recipe: dict[str, Any]
    layout: str
    dtype: str
    threads: int
    device: str
    seconds_alone: float
    seconds_marginal: float
    peak_memory_bytes: int
    versions: dict[str, str]
    hardware: dict[str, str | int]
    key: str
    made: str
    notes: tuple[str, ...] = ()
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)
    schema: Literal[1] = SCHEMA

    @property
    def name(self) -> str:
        """The cell's name, as people are told it."""
        return f"{self.backbone} | {self.strategy} | seed {self.seed}"

    def __post_init__(self) -> None:
        """Check that status, error and stages agree."""
        if (self.status == "failed") != (self.error is not None):
            raise RecordError("a failed cell has an error, and only a failed cell")
        names = tuple(stage.name for stage in self.stages)
        expected = ("all",) if self.protocol == "joint" else ("head", "tail")
        if self.status == "done" and names != expected:
            raise RecordError(f"a finished {self.protocol} cell has the stages {expected}, not {names}")


def pack_bits(hits_N: np.ndarray, labels_N: np.ndarray) -> str:
    """Return base64 text of bool [N], rows sorted by label (class by class, else in the order given).

    Eight rows per byte, first row in the highest bit (`np.packbits`).
    """
    import numpy as np

    by_class_N = np.argsort(labels_N, kind="stable")
    return base64.b64encode(np.packbits(np.asarray(hits_N, dtype=bool)[by_class_N]).tobytes()).decode("ascii")


def unpack_bits(text: str, rows: int) -> np.ndarray:
    """Return the bool array [rows] that `pack_bits` packed, class by class."""
    import numpy as np

    return np.unpackbits(np.frombuffer(base64.b64decode(text), dtype=np.uint8), count=rows).astype(bool)


def record_path(out: Path, suite: str, backbone: str, strategy: str, seed: int) -> Path:
    """Return the cell's file below `out`: `<suite>/records/<backbone>/<strategy>-seed<k>.json`, names made safe."""
    return Path(out) / safe_name(suite) / "records" / safe_name(backbone) / f"{safe_name(strategy)}-seed{seed}.json"


def safe_name(text: str) -> str:
    """Return `text` as a file name; where characters had to be replaced, a short hash keeps different texts apart."""
    name = _UNSAFE.sub("_", text).strip(".")[:_LONGEST_NAME]
    return name if name and name == text else f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def write(record: Record, out: Path) -> Path:
    """Write `record` to `record_path(out, ...)`, whole or not at all, and return the path.

    Raises `RecordError` where the record would not be readable again (a wrong type, a NaN).
    """
    path = record_path(out, record.suite, record.backbone, record.strategy, record.seed)
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
        record: Record = _adapter().validate_json(_canonical(_upgraded(content, path)))
    except RecordError:
        raise
    except ValueError as error:
        raise RecordError(f"{path} is not a valid record: {_reason(error)}") from error
    return record


def _upgraded(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the content as of this version's schema. Raises `RecordError` for a schema that never was."""
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
    for place in (Path(folder), *Path(folder).glob("*/")):  # glob passes over what it may not read
        if place.is_dir() and not os.access(place, os.R_OK | os.X_OK):
            problems.append(f"{place} cannot be read: Permission denied")
    for path in sorted(Path(folder).glob("*/*.json")):
        try:
            record = read(path)
        except RecordError as error:
            problems.append(str(error))
            continue
        belongs = record_path(Path(), record.suite, record.backbone, record.strategy, record.seed)
        if path.parts[-4:] == belongs.parts:
            records.append(record)
        else:  # a copy under another name would be counted twice
            problems.append(f"{path} holds the record of {belongs}; move or delete it")
    return records, problems


def read_below(out: Path) -> list[Record]:
    """Return the readable records of all suites below an output folder."""
    return [record for folder in sorted(Path(out).glob("*/records")) for record in read_all(folder)[0]]


def _canonical(content: dict[str, Any]) -> bytes:
    """Write JSON in the one way that the checksum, sha256 over all of the record but the checksum, is taken over."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _count_bits(text: str, test_n: tuple[int, ...]) -> tuple[int, ...] | None:
    """Count the ones of each class; None where the text is not base64 of as many bits as there are rows."""
    import numpy as np

    rows = sum(test_n)
    try:
        packed = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(packed) != (rows + 7) // 8:
        return None
    ones_before = np.concatenate([[0], np.cumsum(unpack_bits(text, rows))])
    borders = np.concatenate([[0], np.cumsum(test_n, dtype=np.int64)])
    return tuple(np.diff(ones_before[borders]).tolist())


@functools.cache
def _adapter() -> TypeAdapter[Record]:
    """The strict validator; pydantic is imported when the first record is read or written."""
    from pydantic import TypeAdapter

    return TypeAdapter(Record)


def _reason(error: Exception) -> str:
    """Put the first thing that is wrong into a few words."""
    if hasattr(error, "errors"):
        first = error.errors()[0]
        return one_line(f"{'.'.join(str(part) for part in first['loc']) or 'record'}: {first['msg']}")
    return one_line(str(error))
