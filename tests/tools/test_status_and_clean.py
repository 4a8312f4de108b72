"""`status`, `verify` and `clean` on a folder that real runs wrote to."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from benchmarks.cli import main
from benchmarks.planning.store import Store
from benchmarks.records import storage
from benchmarks.records.bits import pack_bits, unpack_bits
from tests.process import write_suite
from tests.records.test_record import reseal
from tests.running.test_kill import measured

NAME = "tiny/records/test_resnet/{}-seed0.json"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which a run did two cells of three, to be read only."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["run", "--all", "--suite", str(write_suite(folder)), "--threads", "1"]) == 0
    (folder / "runs" / NAME.format("loss-weights")).unlink()
    return folder


@pytest.fixture
def out(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """Return the output folder of a copy of the run, in the folder in which the test stands."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    return tmp_path / "runs"


def test_a_finished_cell_is_verified_and_a_difference_is_named(
    out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = out / NAME.format("oversample")
    assert main(["verify", "test_resnet | oversample | seed 0", "--suite", "tiny.toml"]) == 0
    assert "test_resnet | oversample | seed 0: the same bits." in capsys.readouterr().out

    record = storage.read(path)
    stage = record.stages[1]
    logits = Store(out).predictions(stage.jobs[-1])
    logits["validation"][1, 0] += 1
    Store(out).write_predictions(stage.jobs[-1], **logits)
    assert main(["verify", str(path)]) == 1
    assert "stage tail: predictions 'validation' differ on 1 of" in capsys.readouterr().out

    hits = unpack_bits(stage.top1_bits, stage.rows)
    first = int(hits.argmax())
    hits[first] = False
    class_ = next(c for c in range(5) if first < sum(stage.test_n[: c + 1]))
    stages = json.loads(path.read_text())["stages"]
    import numpy as np

    stages[1]["top1_bits"] = pack_bits(hits, np.zeros(len(hits)))
    stages[1]["top1_hits"][class_] -= 1
    reseal(path, stages=stages)
    assert main(["verify", str(path)]) == 1
    said = capsys.readouterr().out
    assert f"stage tail: top-1 hits differ on 1 of {stage.rows} rows" in said
    assert f"class {stage.classes[class_]!r} (stored False, now True)" in said


def test_a_cell_that_is_not_there_names_the_nearest(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "test_resnet|oversampel|0"]) == 2
    said = capsys.readouterr().err
    assert "did you mean 'test_resnet|oversample|0'" in said and said.count("\n") == 1


def test_status_counts_cells_and_names_what_is_missing_and_unreadable(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status"]) == 0
    said = capsys.readouterr().out
    assert "runs: no run is active." in said
    assert ["tiny", "2", "0", "1"] in [line.split() for line in said.splitlines()]
    assert "tiny: missing: 1 cell; --all names them." in said and "seed 0: missing" not in said
    assert main(["status", "--all"]) == 0
    assert "test_resnet | loss-weights | seed 0: missing" in capsys.readouterr().out
    assert "jobs: 6 finished, 0 begun" in said
    held = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    assert f"disk: {held / 1e6:.1f} MB (records 0.0 MB, predictions 0.0 MB, states {_states(out):.1f} MB" in said
    (out / NAME.format("none")).write_text("{")
    assert main(["status"]) == 1
    assert "none-seed0.json is not JSON" in capsys.readouterr().err


def test_status_of_a_fresh_clone_is_that_of_the_published_records(
    tmp_path: Path, repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "fashion-small").symlink_to(repository / "results" / "fashion-small")
    assert main(["status"]) == 0
    assert "results: no run is active." in capsys.readouterr().out
    (tmp_path / "runs" / ".work").mkdir(parents=True)  # a run that has no record yet
    assert main(["status"]) == 0
    assert "runs: no run is active." in capsys.readouterr().out


def _states(out: Path) -> float:
    return sum(path.stat().st_size for path in out.rglob("state.safetensors")) / 1e6


def test_clean_keeps_what_stands_behind_records_and_what_is_waited_for(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(out)
    waiting = {p.name for p in (store.work / "jobs").iterdir()} - {
        key for p in out.glob("*/records/*/*.json") for stage in storage.read(p).stages for key in stage.jobs
    }
    assert len(waiting) == 2
    plain = {key for stage in storage.read(out / NAME.format("none")).stages for key in stage.jobs}
    assert {path.parent.name for path in store.work.rglob("state.safetensors")} == plain  # the others went in the run
    assert not list(store.work.rglob("*checkpoint*"))
    orphan = store.folder("0" * 20)
    orphan.mkdir()
    (orphan / "checkpoint.safetensors").write_bytes(b"x" * 1000)
    left = out / "tiny" / ".abcd_123.tmp"  # as a killed writer leaves it
    strangers = [out / ".notes.tmp", out / "deep" / "er" / ".abcd_123.tmp", out / "state.safetensors"]
    strangers += [orphan / "notes.txt", orphan / "folder" / "file", store.folder("mine") / "state.safetensors"]
    for path in (left, *strangers):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    store.folder("1" * 20).symlink_to(out)
    before = measured(out)
    kept = {path for key in waiting for path in store.folder(key).iterdir()}
    assert main(["clean", "--dry-run"]) == 0
    assert "would be removed" in capsys.readouterr().out and orphan.exists()
    assert main(["clean"]) == 0
    assert not left.exists() and {path.name for path in orphan.iterdir()} == {"folder", "notes.txt"}
    assert all(path.exists() for path in strangers)
    assert measured(out) == before
    assert all(path.exists() for path in kept)
    assert not [path for path in store.work.rglob("state.safetensors") if path not in {*kept, *strangers}]

    # what was cleaned away is made again where a later run needs it, and the rest is still there
    assert main(["run", "--suite", "tiny.toml", "--threads", "1", "--strategy", "none,tau-norm,loss-weights"]) == 0
    assert before.items() <= measured(out).items()
    assert storage.read(out / NAME.format("tau-norm")).status == "done"


def test_clean_empties_the_cache_but_for_what_was_fetched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHMARKS_CACHE", str(tmp_path / "cache"))
    made = [tmp_path / "cache" / name for name in ("decoded/a/images.npy", "features/b/c/d.npy", "probe.json")]
    kept = [tmp_path / "cache" / name for name in ("fetched/fashion/0.parquet", "notes.txt")]
    for path in (*made, *kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    assert main(["clean", "--cache", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert all(str(path) in said and path.exists() for path in made) and "3 files" in said
    assert main(["clean", "--cache"]) == 0
    assert sorted(path for path in (tmp_path / "cache").rglob("*") if path.is_file()) == sorted(kept)
    assert not list((tmp_path / "cache").glob("decoded/*"))


def test_clean_leaves_no_trace_where_no_run_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clean", "--out", str(tmp_path)]) == 0
    assert "nothing to remove" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for command in ("status", "clean"):
        assert main([command, "--out", str(tmp_path / "absent")]) == 2
        assert "there is no folder" in capsys.readouterr().err
