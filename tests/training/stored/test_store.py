"""Stored features: what was interrupted, damaged or is another's is computed again, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.support.errors import UserError
from benchmarks.training.stored.store import CHUNK_ROWS, Compute, FeatureStore

V, N, F = 2, 2 * CHUNK_ROWS + 100, 8
CHUNKS = 6
ALL = np.random.default_rng(0).random((V, N, F), dtype=np.float32)


def store(folder: Path, identity: str = "a", shape: tuple[int, int, int] = (V, N, F)) -> FeatureStore:
    return FeatureStore(folder, "net", {"data": identity}, shape)


class Counted:
    """Begins a computation that takes its values from `ALL`, and notes what was asked for."""

    def __init__(self, fails_after: int = CHUNKS) -> None:
        self.asked: list[tuple[int, int, int]] = []
        self.fails_after = fails_after

    def __call__(self) -> Compute:
        return self._compute

    def _compute(self, view: int, start: int, end: int) -> np.ndarray:
        if len(self.asked) == self.fails_after:
            raise KeyboardInterrupt
        self.asked.append((view, start, end))
        return ALL[view, start:end]


def never() -> Compute:
    raise AssertionError("all is there")


def test_features_are_computed_once_and_progress_is_told(tmp_path: Path) -> None:
    counted, told = Counted(), list[tuple[int, int]]()
    assert store(tmp_path).rows_missing() == V * N
    made_VNF = store(tmp_path).fill(counted, lambda *at: told.append(at))
    np.testing.assert_array_equal(made_VNF, ALL)
    assert made_VNF.dtype == np.float32
    assert not made_VNF.flags.writeable
    assert len(counted.asked) == CHUNKS
    assert told == sorted(told)
    assert told[-1] == (V * N, V * N)
    assert store(tmp_path).rows_missing() == 0
    np.testing.assert_array_equal(store(tmp_path).fill(never), ALL)


def test_an_interrupted_computation_goes_on_behind_its_last_chunk(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        store(tmp_path).fill(Counted(fails_after=4))
    assert 0 < store(tmp_path).rows_missing() < V * N / 2
    rest = Counted()
    np.testing.assert_array_equal(store(tmp_path).fill(rest), ALL)
    assert len(rest.asked) == CHUNKS - 4


KILLED = """
import sys, pathlib
import numpy as np
from benchmarks.training.stored.store import FeatureStore

V, N, F = 2, int(sys.argv[2]), 8
ALL = np.random.default_rng(0).random((V, N, F), dtype=np.float32)

def compute(view, start, end):
    print("computing", flush=True)
    if (view, start) != (0, 0):
        sys.stdin.readline()  # until it is told to go on, or killed
    return ALL[view, start:end]

FeatureStore(pathlib.Path(sys.argv[1]), "net", {"data": "a"}, (V, N, F)).fill(lambda: compute)
"""


def test_a_process_that_was_killed_keeps_its_finished_chunks(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(N)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        for chunk in range(3):
            assert process.stdout.readline() == "computing\n"
            if chunk == 1:
                process.stdin.write("\n")
                process.stdin.flush()
        process.kill()  # within the third chunk
    rest = Counted()
    np.testing.assert_array_equal(store(tmp_path).fill(rest), ALL)
    assert len(rest.asked) == CHUNKS - 2


def flip(place: Path) -> None:
    """Alter one number of the second view's second chunk."""
    with open(place / "features.bin", "r+b") as file:
        file.seek((N + CHUNK_ROWS + 3) * F * 4)
        file.write(np.float32(7).tobytes())


def cut(place: Path) -> None:
    """Cut the file within its last chunk."""
    with open(place / "features.bin", "r+b") as file:
        file.truncate(V * N * F * 4 - 10)


def spoil(place: Path) -> None:
    (place / "meta.json").write_text('{"identity": ')


def remove(place: Path) -> None:
    (place / "features.bin").unlink()


def of_another(place: Path) -> None:
    """Say that these are features of other data, as a copied folder does."""
    meta = json.loads((place / "meta.json").read_text())
    meta["identity"]["data"] = "b"
    (place / "meta.json").write_text(json.dumps(meta))


@pytest.mark.parametrize(
    ("damage", "again"), [(flip, 1), (cut, 1), (spoil, CHUNKS), (remove, CHUNKS), (of_another, CHUNKS)]
)
def test_what_is_damaged_or_another_s_is_computed_again(
    tmp_path: Path, damage: Callable[[Path], None], again: int
) -> None:
    first = store(tmp_path)
    first.fill(Counted())
    damage(first.place)
    rest = Counted()
    np.testing.assert_array_equal(store(tmp_path).fill(rest), ALL)
    assert len(rest.asked) == again
    np.testing.assert_array_equal(store(tmp_path).fill(never), ALL)


def test_other_data_have_a_folder_of_their_own(tmp_path: Path) -> None:
    store(tmp_path).fill(Counted())
    other = Counted()
    store(tmp_path, "b").fill(other)
    assert len(other.asked) == CHUNKS
    np.testing.assert_array_equal(store(tmp_path).fill(never), ALL)


def test_a_full_disk_keeps_what_is_there(small_disk: Path) -> None:
    rows, size = 4 * CHUNK_ROWS, 1024  # 8 MB; 12 MB fit, less the file that is in the way
    filler = small_disk / "in the way"
    filler.write_bytes(bytes(7 * 2**20))
    asked: list[int] = []

    def compute(view: int, start: int, end: int) -> np.ndarray:
        asked.append(start)
        return np.full((end - start, size), start, np.float32)

    with pytest.raises(UserError, match="No space left on device.*finished ones are kept"):
        store(small_disk, shape=(1, rows, size)).fill(lambda: compute)
    tried = len(asked)
    assert 1 < tried <= 3
    filler.unlink()
    made_VNF = store(small_disk, shape=(1, rows, size)).fill(lambda: compute)
    assert len(asked) == tried + 4 - (tried - 1)  # the last one that was tried was not stored
    assert made_VNF[0, :, 0].tolist() == [row // CHUNK_ROWS * CHUNK_ROWS for row in range(rows)]


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="BENCHMARKS_CACHE"):
        store(tmp_path / "file").fill(Counted())
