"""The readers on texts that nobody meant: the documented error, one sentence, or a value."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from benchmarks.data.layouts import styles_csv
from benchmarks.records import storage
from benchmarks.records.record import Record, RecordError
from benchmarks.suites import suite as suites
from benchmarks.suites.suite import Suite
from benchmarks.support.errors import UserError
from strategies import registry
from strategies.base import Strategy, StrategyError
from strategies.combining.expression import parse
from tests.fuzzing import JSON, fuzz, refused_or_read, spoilt
from tests.leaderboard import make

LINE = st.lists(
    st.sampled_from(["id", "articleType", "year", "productDisplayName", '"', '""', ",", "1", "é", "\x00", " "])
)
STYLES = st.lists(LINE.map("".join), max_size=6).map("\n".join)


@fuzz
@given(
    st.binary(max_size=60)
    | STYLES.map(str.encode)
    | STYLES.map(lambda s: b"id,articleType,year,productDisplayName\n" + s.encode())
)
def test_styles_csv(content: bytes) -> None:
    with refused_or_read(UserError):
        parsed = styles_csv.parse(content, "styles.csv")
        assert len({len(column) for column in parsed.columns.values()}) == 1


WHOLE = json.loads(json.dumps(dataclasses.asdict(make.record())))
OLD = json.loads(json.dumps(make.schema_1(make.record())))


def signed(content: dict[str, Any]) -> bytes:
    """Return the file of a record whose checksum is right."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return json.dumps({**content, "checksum": hashlib.sha256(text.encode()).hexdigest()}).encode()


@fuzz
@example(signed({**WHOLE, "environment": {**WHOLE["environment"], "hardware": {"\n": None}}}))
@example(signed({**OLD, "setup": 5}))
@example(signed({**OLD, "stages": 5}))
@given(st.binary(max_size=40) | JSON.map(lambda value: json.dumps(value).encode()) | spoilt(WHOLE, OLD).map(signed))
def test_record_json(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(content)
    with refused_or_read(RecordError):
        assert isinstance(storage.read(path), Record)


NAMES = ["title", "dataset", "protocol", "head_classes", "validation", "backbones", "strategies", "seeds", "options"]
FIELDS = ["image_size", "epochs", "batch_size", "learning_rate", "schedule", "warmup", "grow_from", "precision"]
VALUES = st.sampled_from(
    [
        "'digits'",
        "[]",
        "['none']",
        "5",
        "-1",
        "0.5",
        "nan",
        "inf",
        "true",
        "{}",
        "{ head = 1 }",
        "''",
        "1e999",
        "2000-01-01",
        "'two-stage'",
    ]
)
TOML_LINES = st.lists(
    st.tuples(st.sampled_from([*NAMES, *FIELDS, "name", "x.y"]), VALUES | st.integers().map(str)).map(" = ".join)
    | st.sampled_from(["[recipe]", "[recipe.epochs]", "[[recipe]]", "[options]", "#"])
    | st.text(max_size=12),
    max_size=12,
).map("\n".join)
BASE = "title = 'T'\ndataset = 'digits'\nbackbones = ['resnet10t']\nstrategies = ['none']\n"


@fuzz
@given(
    st.binary(max_size=40)
    | TOML_LINES.map(str.encode)
    | TOML_LINES.map(lambda text: (BASE + "[recipe]\nimage_size = 32\n" + text).encode())
)
def test_suite_toml(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "suite.toml"
    path.write_bytes(content)
    with refused_or_read(UserError):
        assert isinstance(suites.load(str(path)), Suite)


PIECES = st.sampled_from(
    [
        *registry.names(),
        "+",
        "(",
        ")",
        ",",
        "=",
        "beta",
        "power",
        "fraction",
        "0.5",
        "-1",
        "nan",
        "1e400",
        '"',
        "true",
        "*",
        " ",
        "\x00",
    ]
)


@fuzz
@given(st.text(max_size=30) | st.lists(PIECES, max_size=9).map("".join))
def test_strategy_expressions(text: str) -> None:
    with refused_or_read(StrategyError):
        strategy = parse(text)
        assert isinstance(strategy, Strategy)
        assert parse(str(strategy)) == strategy


def test_a_reader_that_raises_something_else_is_noticed() -> None:
    with pytest.raises(KeyError), refused_or_read(UserError):
        raise KeyError
