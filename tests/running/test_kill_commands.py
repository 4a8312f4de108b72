"""Feature extraction, `tune`, `export` and `report` killed anywhere: the same command again ends as if never killed."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from benchmarks.tools.export import model
from tests.process import Started, bench, write_suite
from tests.running.test_kill import KILLS, measured

MODEL = Path("model")


def features(folder: Path) -> dict[str, str]:
    """Return a hash of the features, and what was measured with them."""
    return {**_hashes(folder, "cache/features/*/features.bin"), **measured(folder / "runs")}


def tuned(folder: Path) -> dict[str, str]:
    """Return a hash of the tables of trials, and what was measured of the chosen ones."""
    return {**_hashes(folder, "runs/*/trials/*/*.csv"), **measured(folder / "runs")}


def exported(folder: Path) -> dict[str, str]:
    """Return a hash of each of a model's files."""
    return _hashes(folder, "model/*")


def reported(folder: Path) -> dict[str, str]:
    """Return a hash of the report."""
    return _hashes(folder, "runs/*/report.html")


def _hashes(folder: Path, pattern: str) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob(pattern)
    }


ASKED = ["--suite", "tiny.toml", "--threads", "1"]
CHANGES = ["--set", "recipe.trains=classifier", "--set", "recipe.views=4"]
FROZEN = ["run", *ASKED, "--strategy", "none", *CHANGES, "--force"]
TUNE = ["tune", *ASKED, "--strategy", "none,focal", "--trials", "3"]
EXPORT = ["export", "test_resnet|none|0", "--suite", "tiny.toml", "--to", MODEL]
ALL = ["run", *ASKED, "--all"]
LONG = pytest.mark.skipif("BENCHMARKS_KILLS" not in os.environ, reason="it takes minutes; `tox -e soak` runs it")


@pytest.mark.parametrize(
    ("command", "before", "made"),
    [
        pytest.param(FROZEN, [], features, id="features", marks=LONG),
        pytest.param(TUNE, [], tuned, id="tune", marks=LONG),
        pytest.param(EXPORT, ALL, exported, id="export", marks=LONG),
        pytest.param(["report", "--suite", "tiny", "--out", "runs"], ALL, reported, id="report"),
    ],
)
def test_killed_anywhere_and_given_again_a_command_ends_as_if_never_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    command: list[object], before: list[object], made: Callable[[Path], Mapping[str, str]],
) -> None:  # fmt: skip
    whole = tmp_path / "whole"
    whole.mkdir()
    write_suite(whole, epochs=3).write_text((whole / "tiny.toml").read_text().replace("head_classes", HELD_BACK))
    if before:
        assert bench(whole, *before).returncode == 0
    start = shutil.copytree(whole, tmp_path / "start")
    monkeypatch.setenv("BENCHMARKS_CACHE", str(whole / "cache"))
    started = time.monotonic()
    assert bench(whole, *command).returncode == 0
    took, expected = time.monotonic() - started, made(whole)
    assert expected

    draws, kills, runs, wanted = random.Random(7), 0, 0, max(1, KILLS // 20)
    while kills < wanted:
        place, code, runs = shutil.copytree(start, tmp_path / f"killed-{runs}"), -1, runs + 1
        monkeypatch.setenv("BENCHMARKS_CACHE", str(place / "cache"))
        while code:
            run = Started(place, *command)
            if kills < wanted:
                time.sleep(draws.uniform(0.1, 0.9) * took)
                run.send(signal.SIGKILL)
            done = run.end()
            code = done.returncode
            assert code in (0, -signal.SIGKILL), done.stderr
            kills += code != 0
            took *= 1.0 if code else 0.5  # done before it was killed: the machine was slower while it was timed
            assert not (place / MODEL).exists() or model.read(place / MODEL), "a model is whole or not there"
        assert made(place) == expected
    print(f"{kills} kills in {runs} runs: the same bits")


HELD_BACK = "validation = 0.2\nhead_classes"
