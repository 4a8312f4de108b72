"""Killed anywhere and run again: the same bits as a run that nobody killed. `BENCHMARKS_KILLS` asks for more kills."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.training import checkpoint
from tests.process import Started, bench, write_suite

KILLS = int(os.environ.get("BENCHMARKS_KILLS", "8"))
STRATEGIES = "oversample-weak,drw,crt,mixup,minority-augment,text-fusion"
FREE = ("jobs", "seconds", "img_per_s")  # of a stage: what may differ between two runs of the same bits


@pytest.fixture
def command(tmp_path: Path) -> list[object]:
    """Return the arguments of a run that stands at every kind of step often."""
    suite = write_suite(tmp_path, epochs=3)
    suite.write_text(suite.read_text().replace('"digits"', '"folder"').replace("head_classes = 5", "head_classes = 4"))
    data = named_images(tmp_path / "data")
    return ["run", "--suite", suite, "--data", data, "--strategy", STRATEGIES, "--checkpoint-seconds", "0.05"]


def named_images(folder: Path) -> Path:
    """Write images of eight classes with a name each, and return the table that lists them."""
    folder.mkdir()
    draws, rows = np.random.default_rng(0), ["path,label,text"]
    for label, count in enumerate((40, 35, 30, 25, 20, 15, 13, 13)):
        for number in range(count):
            image = np.clip(
                draws.normal(100, 60, (16, 16, 3)) + 20 * label * (np.arange(16) % 8 == label)[:, None], 0, 255
            )
            cv2.imwrite(str(folder / f"{label}-{number}.png"), image.astype(np.uint8))
            rows.append(f"{label}-{number}.png,class {label},word{label} number {number % 7} red")
    (folder / "table.csv").write_text("\n".join(rows))
    return folder / "table.csv"


def measured(out: Path) -> dict[str, str]:
    """Return a hash of what each record measured, and of each job's predictions."""
    found = {}
    for path in out.glob("*/records/*/*.json"):
        record = json.loads(path.read_text())
        stages = [{name: value for name, value in stage.items() if name not in FREE} for stage in record["stages"]]
        found[path.name] = _hash(json.dumps([record["status"], record["key"], stages], sort_keys=True).encode())
    for path in out.glob(".work/jobs/*/predictions.npz"):
        with np.load(path, allow_pickle=False) as stored:
            content = b"".join(name.encode() + stored[name].tobytes() for name in sorted(stored.files))
        found[path.parent.name] = _hash(content)
    return found


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def within_an_epoch(out: Path) -> bool:
    """Whether the job at work left a checkpoint that stands inside an epoch."""
    for path in out.glob(".work/jobs/*/checkpoint.safetensors"):
        with contextlib.suppress(checkpoint.CheckpointError, FileNotFoundError):
            return bool(checkpoint.load(path)[1]["step"])
    return False


def test_killed_anywhere_and_run_again_the_bits_are_those_of_a_run_never_killed(
    command: list[object], tmp_path: Path
) -> None:
    whole = tmp_path / "whole"
    assert bench(tmp_path, *command, "--out", tmp_path / "first").returncode == 0  # decodes what later runs find
    started = time.monotonic()
    assert bench(tmp_path, *command, "--out", whole).returncode == 0
    took = time.monotonic() - started
    expected = measured(whole)
    assert len(expected) > 2 * len(STRATEGIES.split(","))
    assert measured(tmp_path / "first") == expected

    draws = random.Random(5)
    kills = runs = inside = 0
    while kills < KILLS:
        out, code = tmp_path / f"killed-{runs}", -1
        while code:
            run = Started(tmp_path, *command, "--out", out)
            if kills < KILLS:
                time.sleep(draws.uniform(0.1, 0.6) * took)
                run.send(signal.SIGKILL)
            code = run.end().returncode
            assert code in (0, -signal.SIGKILL)
            kills += code != 0
            inside += code != 0 and within_an_epoch(out)
            took *= 1.0 if code else 0.5  # done before it was killed: the machine was slower while it was timed
        assert measured(out) == expected
        runs += 1
    print(f"{kills} kills in {runs} runs, {inside} of them with a checkpoint inside an epoch: the same bits")
