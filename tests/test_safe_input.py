"""Files from elsewhere run no code: nothing is unpickled, whatever the file is called."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from backbones.errors import BackboneError
from backbones.network import build
from benchmarks.data.load import load
from benchmarks.planning.store import Store
from benchmarks.progress.reporter import Reporters
from benchmarks.running.job import run_job
from benchmarks.running.local import execute
from benchmarks.suites import suite as suites
from benchmarks.support.errors import UserError
from benchmarks.training import checkpoint
from benchmarks.training.stored.store import FeatureStore
from strategies.base import StrategyError
from strategies.combining.expression import parse
from tests.making import digits_session


class Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch '{self.marker}'",)


@pytest.fixture
def bomb(tmp_path: Path):
    """Return what must never go off; that it could is tried first."""
    marker = tmp_path / "went off"
    pickle.loads(pickle.dumps(Bomb(marker)))
    assert marker.exists()
    marker.unlink()
    yield Bomb(marker)
    assert not marker.exists()


def test_a_pickled_checkpoint_is_no_checkpoint(bomb: Bomb, tmp_path: Path) -> None:
    session = digits_session(tmp_path)
    key = session.plan.cells[0].jobs[0][0]
    path = session.context.store.checkpoint(key)
    path.parent.mkdir(parents=True)
    torch.save({"state": bomb}, path)
    with pytest.raises(checkpoint.CheckpointError, match="cannot be read"):
        checkpoint.load(path)
    said: list[str] = []
    run_job(session.context, session.plan.jobs[key], say=said.append)
    assert len(said) == 1 and "starts again" in said[0]


def test_pickled_predictions_are_refused_and_made_again(bomb: Bomb, tmp_path: Path) -> None:
    session = digits_session(tmp_path)
    assert execute(session.plan, session.context, tmp_path, Reporters()).done == 1
    store, key = session.context.store, session.plan.cells[0].jobs[0][-1]
    good = store.predictions(key)
    np.savez(store.folder(key) / "predictions.npz", test=np.array([bomb], dtype=object), validation=np.zeros((1, 5)))
    with pytest.raises(ValueError, match="allow_pickle"):
        store.predictions(key)
    next(tmp_path.glob("*/records/*/*.json")).unlink()
    assert execute(session.plan, session.context, tmp_path, Reporters()).done == 1
    np.testing.assert_array_equal(store.predictions(key)["test"], good["test"])


def test_a_parquet_file_with_a_pickled_type_is_read_as_bytes_or_refused(bomb: Bomb, tmp_path: Path) -> None:
    field = pa.field(
        "id", pa.int64(),
        metadata={"ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": pickle.dumps(bomb)},
    )  # fmt: skip
    pq.write_table(pa.table([[1, 2]], schema=pa.schema([field])), tmp_path / "a.parquet")
    with pytest.raises(UserError):
        load("fashion", path=tmp_path, size=8, cache=tmp_path / "cache")


def test_a_suite_and_an_expression_are_text_and_nothing_else(bomb: Bomb, tmp_path: Path) -> None:
    code = f"__import__('os').system('touch {bomb.marker}')"
    file = tmp_path / "suite.toml"
    file.write_text(f'title = "T"\ndataset = "digits"\nbackbones = ["x"]\nstrategies = ["{code}"]\nrecipe = "{code}"\n')
    with pytest.raises(UserError, match="recipe"):
        suites.load(str(file))
    with pytest.raises(StrategyError):
        parse(code)
    file.write_bytes(pickle.dumps(bomb))
    with pytest.raises(UserError, match="not valid TOML"):
        suites.load(str(file))


def test_a_result_that_is_a_pickle_is_no_result(bomb: Bomb, tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.folder("k").mkdir(parents=True)
    (store.folder("k") / "result.json").write_bytes(pickle.dumps(bomb))
    assert store.result("k") is None


def test_stored_features_that_are_pickles_are_computed_again(bomb: Bomb, tmp_path: Path) -> None:
    right = np.ones((1, 3, 2), np.float32)
    store = FeatureStore(tmp_path, "net", {}, right.shape)
    store.place.mkdir()
    for name in ("meta.json", "features.bin"):
        (store.place / name).write_bytes(pickle.dumps(bomb))
    np.testing.assert_array_equal(store.fill(lambda: lambda view, start, end: right[view, start:end]), right)


def test_weights_from_the_hub_are_read_as_safetensors_alone(
    bomb: Bomb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = tmp_path / "model.safetensors"
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_, **__: str(answer))
    for write in (lambda: answer.write_bytes(pickle.dumps(bomb)), lambda: torch.save({"conv1.weight": bomb}, answer)):
        write()
        with pytest.raises(BackboneError, match="cannot be read .*; expected a safetensors file"):
            build("resnet10t", 2, image_size=32, seed=0, weights="imagenet")
