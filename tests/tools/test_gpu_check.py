"""`gpu-check`: its parts are commands that exist; it ends in time, goes on, and survives a part that fails."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import pytest

from benchmarks.contract import on_device
from benchmarks.contract.clauses import Broken
from benchmarks.tools.gpu_check.carry_out import carry_out
from benchmarks.tools.gpu_check.parts import Asked, Part, one_of_each_family, parts
from strategies.combining.expression import parse
from tests.process import bench, write_suite

# what a part does, by its only argument; each notes in the folder that it was started
SCRIPT = """
import os, pathlib, sys, threading
folder, does = pathlib.Path(sys.argv[1]), sys.argv[2]
(folder / does).write_text((folder / does).read_text() + "x" if (folder / does).exists() else "x")
print("first\\nsecond of", does)
if does == "waits":
    threading.Event().wait()
sys.exit(3 if does == "fails" else 0)
"""
HERE = {"machine": "here"}


def _carry_out(
    folder: Path, *does: str, seconds: float = 600.0, on: object = HERE, most: float = 1.0
) -> tuple[dict, list[str]]:
    said: list[str] = []
    program = (sys.executable, "-c", SCRIPT, str(folder))
    deadline = time.monotonic() + seconds
    asked = [Part(name, (name,), most if name == "waits" else 1.0) for name in does]
    return carry_out(asked, folder / "logs", deadline, said.append, on=on, program=program), said  # type: ignore[arg-type]


def test_a_failed_part_is_said_and_the_rest_goes_on_and_only_it_is_tried_again(tmp_path: Path) -> None:
    ended, said = _carry_out(tmp_path, "one", "fails", "two")
    assert ended == {"one": "done", "fails": "failed", "two": "done"}
    assert said[1].startswith("fails: failed after") and said[1].endswith("    first\n    second of fails")
    assert _carry_out(tmp_path, "one", "fails", "two")[0] == ended
    assert [len((tmp_path / name).read_text()) for name in ended] == [1, 2, 1]
    _carry_out(tmp_path, "one", on={"machine": "another"})
    assert (tmp_path / "one").read_text() == "xx"


def test_it_ends_in_time_and_says_what_is_left(tmp_path: Path) -> None:
    ended, _ = _carry_out(tmp_path, "waits", "one", seconds=1.0)
    assert ended == {"waits": "stopped", "one": "not started"}
    assert _carry_out(tmp_path, "one")[0] == {"one": "done"}


def test_a_part_that_had_just_ended_when_its_time_was_up_is_done(tmp_path: Path) -> None:
    program = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done")
    part, deadline = Part("ends", (), most=0.05), time.monotonic() + 20
    assert carry_out([part], tmp_path, deadline, lambda line: None, on=HERE, program=program) == {"ends": "done"}


def test_a_part_that_hangs_leaves_the_others_their_time(tmp_path: Path) -> None:
    ended, said = _carry_out(tmp_path, "waits", "one", seconds=120.0, most=0.01)
    assert ended == {"waits": "failed", "one": "done"}
    assert said[0] == "waits took more than 1 s, its share of the time."


def test_every_part_is_a_command_that_runs_on_a_cpu_with_tiny_sizes(tmp_path: Path) -> None:
    suite = write_suite(tmp_path)
    asked = Asked(
        device="cpu", out=tmp_path / "out", suite=str(suite), strategies=("none",), backbones=("test_resnet",),
        sizes_px=(16,), steps=1,
    )  # fmt: skip
    made = parts(asked)
    assert [part.name for part in made] == ["contracts", "throughput-test_resnet-16", "families", "cells"]
    for part in made:
        done = bench(tmp_path, *part.arguments)
        assert done.returncode == 0, (part, done.stderr)
    assert "All is done already (1 cell)" in done.stdout, "the cells went on after the families"


def test_the_command_stops_its_part_when_the_time_is_up(tmp_path: Path) -> None:
    done = bench(tmp_path, "gpu-check", "--device", "cpu", "--minutes", "0.01", "--steps", "1")
    assert done.returncode in (0, 1) and not done.stderr  # 1: a part started, and used up its share of the time
    assert re.search(r"^On .*: \d+ (not started|failed|stopped)", done.stdout, re.MULTILINE)


def test_without_a_gpu_it_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    done = bench(tmp_path, "gpu-check")
    assert done.returncode == 2 and done.stderr.startswith("error: --device cuda: torch sees no CUDA device here")
    assert not (tmp_path / "runs").exists()


def test_photographs_come_with_each_classifier_and_cifar_with_what_was_published(tmp_path: Path) -> None:
    (tmp_path / "styles.csv").write_text("id,articleType\n")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.jpg").write_bytes(b"")
    *_, families, cells = parts(Asked(device="cuda", out=Path("out"), data=(tmp_path,), cells_px=96))
    assert "--suite catalog" in " ".join(families.arguments)
    assert cells.arguments[-2:] == ("--image-size", "96") and "96" not in families.arguments
    assert "--suite fashion --backbone resnet50,resnet50:mlp1,resnet50:mlp2,resnet50:attention" in " ".join(
        cells.arguments
    )


def test_one_of_each_family_is_the_first_in_order() -> None:
    assert one_of_each_family(["none", "oversample+mixup", "crt", "drw", "mixup(alpha=0.3)"]) == [
        "none", "crt", "mixup(alpha=0.3)",
    ]  # fmt: skip


def test_a_device_that_trains_differently_breaks_its_clause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_device, "losses", lambda strategy, device: [1.0, 2.2 if device.type == "cuda" else 2.0])
    on_device.trains_alike(parse("minority-augment"), on_device.torch.device("cuda"))
    with pytest.raises(Broken, match="the loss of epoch 2 is 2.2 on cuda and 2 on the CPU"):
        on_device.trains_alike(parse("none"), on_device.torch.device("cuda"))
