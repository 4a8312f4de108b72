"""People's own images, from the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.cli import main
from tests.process import SUITE

Put = Callable[..., Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Return a function that draws images at these paths below a folder, all different, and returns the folder."""

    def draw(folder: str, *names: str) -> Path:
        for name in names:
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            seed = int.from_bytes(f"{folder}/{name}".encode(), "little") % 2**32
            image = np.random.default_rng(seed).integers(0, 256, (20, 20, 3), dtype=np.uint8)
            assert cv2.imwrite(str(path), image)
        return tmp_path / folder

    return draw


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Return the file of a quick suite over a folder."""
    path = tmp_path / "own.toml"
    path.write_text(SUITE.format(epochs=1, recipe="").replace('"digits"', '"folder"'))
    return path


def _keys(out: Path) -> dict[str, str]:
    records = [json.loads(path.read_text()) for path in out.glob("*/records/*/*.json")]
    return {record["suite"]: record["key"] for record in records}


def test_two_folders_of_one_name_have_results_of_their_own(
    tmp_path: Path, put: Put, suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{label}/{i}.png" for label in ("cat", "dog") for i in range(4)]
    first, second = put("a/photos", *names), put("b/photos", *names)
    out = tmp_path / "runs"
    options = ["--suite", str(suite), "--protocol", "joint", "--device", "cpu", "--strategy", "none", "--out", str(out)]
    assert main(["run", *options, "--data", str(first)]) == 0
    before = _keys(out)
    assert list(before) == ["own-joint-photos"]
    capsys.readouterr()
    assert main(["run", *options, "--data", str(second)]) == 0
    said = capsys.readouterr().out
    after = _keys(out)
    (added,) = after.keys() - before.keys()
    assert added.startswith("own-joint-photos-") and before.items() <= after.items()
    assert f"{out / 'own-joint-photos'} has results of other images" in said and added in said
    for folder in (first, second):
        assert main(["run", *options, "--data", str(folder)]) == 0
        assert "is done already (1 cell)" in capsys.readouterr().out
    (first.parent / "moved").mkdir()
    moved = first.rename(first.parent / "moved" / "photos")
    assert main(["run", *options, "--data", str(moved)]) == 0
    assert "is done already (1 cell)" in capsys.readouterr().out
    assert _keys(out) == after


def test_a_csv_shows_its_validation_rows_and_refuses_an_unknown_part(
    put: Put, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = put("mine", *(f"{i}.png" for i in range(6)))
    rows = "path,label,split\n0.png,a,train\n1.png,b,train\n2.png,a,val\n3.png,b,val\n4.png,a,test\n5.png,b,"
    (folder / "mine.csv").write_text(rows + "test")
    assert main(["data", "info", "--data", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "2 rows marked for validation, trained on (a run sets a part of its own aside)" in said
    assert re.search(r"head +2 +4 +2 ", said)
    (folder / "mine.csv").write_text(rows + "later")
    assert main(["data", "info", "--data", str(folder)]) == 2
    said = capsys.readouterr().err
    assert "has 'later' in its split column; expected one of train" in said and said.count("\n") == 1
