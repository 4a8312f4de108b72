"""Which files `predict` takes for images."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.cli import main
from benchmarks.support.errors import UserError
from benchmarks.tools.export.predict import find_images, predict


def test_globs_follow_no_link_cycle_and_find_no_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/1.png", "a/2.JPG", "a/3.txt", "b/.hidden/4.png", ".5.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a" / "loop").symlink_to("..")
    os.mkfifo(tmp_path / "a" / "pipe.png")
    found = [str(tmp_path / "a" / name) for name in ("1.png", "2.JPG")]
    assert find_images([f"{tmp_path}/**/*"]) == find_images([f"{tmp_path}/[ab]/*"]) == found
    monkeypatch.chdir(tmp_path)
    assert find_images(["**/*.png", "a/1.*"]) == ["a/1.png"]
    with pytest.raises(UserError, match="names no image"):
        find_images(["b/**/*.png"])
    model: Any = SimpleNamespace(preprocessing=SimpleNamespace(size=8))
    read = [one.readable for one in predict(model, [str(tmp_path / "a" / "pipe.png"), "/dev/zero"], 1)]
    assert read == [False, False], "a pipe would be waited for, a device read without end"


def test_a_table_is_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "model", "image", "--csv", str(tmp_path)]) == 2
    assert "is a directory" in capsys.readouterr().err
