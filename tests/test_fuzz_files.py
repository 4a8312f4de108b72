"""Folders and files that come from elsewhere, spoilt: features, settings, tables, models, recommendations."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.data.base import Source
from benchmarks.data.checks.check import VERSION, Check, Finding, stored
from benchmarks.data.folder import open_source
from benchmarks.leaderboard.report import recommendation
from benchmarks.suites.settings import with_settings
from benchmarks.suites.suite import Suite, load
from benchmarks.support.errors import UserError
from benchmarks.tools.export import model
from benchmarks.tools.recommend import saved
from benchmarks.tools.recommend.words import blocks
from benchmarks.training.stored.store import FeatureStore
from tests.fuzzing import JSON, fuzz, json_files, refused_or_read, spoilt

ALL = np.random.default_rng(0).random((2, 5, 3), dtype=np.float32)


def features(folder: Path) -> FeatureStore:
    return FeatureStore(folder, "net", {"data": "a"}, (2, 5, 3))


def compute(view: int, start: int, end: int) -> np.ndarray:
    return ALL[view, start:end]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[FeatureStore, dict[str, Any]]:
    """Return stored features that are whole, and what their folder says of them."""
    found = features(tmp_path_factory.mktemp("features"))
    found.fill(lambda: compute)
    return found, json.loads((found.place / "meta.json").read_text())


@fuzz
@given(st.data())
def test_stored_features_are_right_whatever_was_in_their_folder(
    filled: tuple[FeatureStore, dict[str, Any]], data: st.DataObject
) -> None:
    store, meta = filled
    (store.place / "meta.json").write_bytes(data.draw(json_files(meta)))
    (store.place / "features.bin").write_bytes(data.draw(st.binary(max_size=130) | st.just(ALL.tobytes())))
    np.testing.assert_array_equal(store.fill(lambda: compute), ALL)


PATHS = ["recipe", "learning_rate", "epochs", "tail", "options", "seed", "head_classes", "backbones", "seeds", ".", "="]
VALUES = ["1", "-1", "0.5", "nan", "inf", "1e999", "true", "[]", "['a']", "{}", "{a = 1}", "'x'", "\n", '"', "99999999"]


@fuzz
@given(st.lists(st.text(max_size=20) | st.lists(st.sampled_from(PATHS + VALUES), max_size=7).map("".join), max_size=3))
def test_settings(texts: list[str]) -> None:
    with refused_or_read(UserError):
        assert isinstance(with_settings(load("digits"), texts), Suite)


CELLS = ["path", "label", "split", "text", "a.png", "../a.png", "/a.png", "train", "test", ",", ";", "\t", '"', " "]
LINES = st.lists(st.lists(st.sampled_from([*CELLS, "é", "\x00", "\r"]), max_size=7).map("".join), max_size=6).map(
    "\n".join
)


@fuzz
@given(st.binary(max_size=60) | LINES.map(str.encode) | LINES.map(lambda text: f"path,label,split\n{text}".encode()))
def test_tables_of_images(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with refused_or_read(UserError):
        assert isinstance(open_source(path), Source)


@functools.cache
def parquet() -> bytes:
    """Return a Parquet table of two images by path, with the hub's description of its columns."""
    features = {"label": {"names": ["x", "y"], "_type": "ClassLabel"}}
    described = {"huggingface": json.dumps({"info": {"features": features}})}
    buffer = io.BytesIO()
    table = pa.table({"path": ["a.png", "b.png"], "label": [0, 1]}).replace_schema_metadata(described)
    pq.write_table(table, buffer)
    return buffer.getvalue()


@fuzz
@given(st.integers(0, len(parquet()) - 1), st.binary(min_size=1, max_size=4))
def test_parquet_tables_of_images(tmp_path: Path, at: int, instead: bytes) -> None:
    path = tmp_path / "table.parquet"
    path.write_bytes(parquet()[:at] + instead + parquet()[at + len(instead) :])
    with refused_or_read(UserError):
        assert isinstance(open_source(path), Source)


CHECK = {"version": VERSION, **dataclasses.asdict(Check((Finding("a", 1, ("b",)),), ("c",)))}


@fuzz
@given(json_files(json.loads(json.dumps(CHECK))))
def test_stored_checks(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "check.json").write_bytes(content)
    found = stored(tmp_path)
    assert found is None or isinstance(found.notes, tuple) and found.lines(3)


MODEL: dict[str, Any] = {
    model.LABELS: ["a", "b"],
    model.PREPROCESSING: {
        "size": 2, "resize": "area, without keeping the aspect ratio", "colour": "RGB, EXIF orientation applied",
        "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2],
    },
}  # fmt: skip
MANIFEST: dict[str, Any] = {
    "format": model.FORMAT, "suite": "s", "backbone": "b", "strategy": "none", "seed": 0, "stage": "all", "key": "k",
    "fingerprint": "f", "files": {},
}  # fmt: skip


def graph() -> bytes:
    """Return the serialised graph of two classes that depend on one pixel, for images of two by two."""
    from onnx import TensorProto, helper

    weight = helper.make_tensor("w", TensorProto.FLOAT, (12, 2), [0.01] * 24)
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["float"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["z"]),
        helper.make_node("Softmax", ["z"], ["probabilities"]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["B", 2, 2, 3])
    answer = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["B", 2])
    made = helper.make_model(helper.make_graph(nodes, "g", [images], [answer], [weight]), ir_version=10)
    made.opset_import[0].version = 18
    return made.SerializeToString()


@st.composite
def models(draw: st.DrawFn, whole: bytes) -> dict[str, bytes]:
    """Return the files of a model, some spoilt or missing; most of those spoilt have the hash in the manifest."""
    files = {name: json.dumps(value).encode() for name, value in MODEL.items()} | {model.GRAPH: whole}
    for name in draw(st.sets(st.sampled_from(sorted(files)))):
        if name == model.GRAPH:
            at, byte = draw(st.integers(0, len(whole) - 1)), draw(st.integers(0, 255))
            files[name] = draw(st.sampled_from([b"", whole[:at], whole[:at] + bytes([byte]) + whole[at + 1 :]]))
        else:
            files[name] = draw(json_files(MODEL[name]))
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    manifest = draw(st.just({**MANIFEST, "files": hashes}) | spoilt({**MANIFEST, "files": hashes}) | JSON)
    files[model.MANIFEST] = json.dumps(manifest).encode()
    for name in draw(st.sets(st.sampled_from(sorted(files)), max_size=1)):
        del files[name]
    return files


@pytest.fixture(scope="module")
def whole_graph() -> bytes:
    pytest.importorskip("onnx")
    return graph()


@fuzz
@given(st.data())
def test_model_folders(tmp_path: Path, whole_graph: bytes, data: st.DataObject) -> None:
    folder = tmp_path / "model"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in data.draw(models(whole_graph)).items():
        (folder / name).write_bytes(content)
    with refused_or_read(UserError):
        read = model.read(folder)
        assert read.probabilities(np.zeros((1, 2, 2, 3), np.uint8)).shape == (1, len(read.labels_C))


ANSWER = saved.Recommended(
    suite="s", backbone="b", strategy="none", seed=0, data="d", of_table={}, plugins=(), lines=("Recommended: none",),
    blocks=(blocks.heading("h"), blocks.text("t"), blocks.listed(["a"]), blocks.Block("code", ("c",)),
            blocks.Block("table", header=("x",), rows=(("1",),))),
)  # fmt: skip
WRITTEN = {"made": "2026-01-01", **dataclasses.asdict(ANSWER)}


@fuzz
@given(json_files(WRITTEN))
def test_recommendations(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s").mkdir(exist_ok=True)
    (tmp_path / "s" / saved.CONTENT).write_bytes(content)
    with refused_or_read(UserError):
        found = saved.latest(tmp_path)
        assert found.record(tmp_path).suffix == ".json" and all(isinstance(line, str) for line in found.chosen)
        assert all(isinstance(block.markdown(), str) for block in found.blocks if block.lines or block.kind == "table")
    assert "<" not in recommendation.section(tmp_path / "s") or "</section>" in recommendation.section(tmp_path / "s")


def test_what_is_spoilt_here_is_read_where_it_is_whole(tmp_path: Path, whole_graph: bytes) -> None:
    saved.write(ANSWER, tmp_path, "s")
    assert dataclasses.replace(saved.latest(tmp_path), made="") == ANSWER
    folder = tmp_path / "model"
    folder.mkdir()
    files = {name: json.dumps(value).encode() for name, value in MODEL.items()} | {model.GRAPH: whole_graph}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    files[model.MANIFEST] = json.dumps({**MANIFEST, "files": hashes}).encode()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    assert model.read(folder).labels_C == ("a", "b")
