"""Backbones of a glob that cannot take a suite's images are left out with a line; named ones are errors."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from backbones.probe import Choice
from benchmarks.cli import main
from benchmarks.running import session
from benchmarks.running.usable import usable_backbones
from benchmarks.support.errors import UserError
from tests.making import digits_suite
from tests.process import write_suite


def test_a_glob_leaves_out_what_cannot_take_the_images_and_says_so() -> None:
    suite, said = digits_suite({"image_size": 40, "grow_from": 32}), list[str]()
    assert usable_backbones(["*50,inception_v3", "vit_s*"], suite, "none", said.append) == dict.fromkeys(
        ["resnet50", "resnext50", "inception_v3"]
    )
    assert said == ["Left out: vit_small cannot take images of 40 px; it needs a multiple of 16 px."]
    with pytest.raises(UserError, match="No backbone that vit_s.* matches can be used with digits-test"):
        usable_backbones(["vit_s*"], suite, "none", said.append)


def test_a_plan_goes_on_without_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["plan", "--suite", str(write_suite(tmp_path)), "--strategy", "none", "--device", "cpu"]
    assert main([*asked, "--backbone", "in*,test_resnet", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "Left out: inception_v3 cannot take images of 16 px; it needs at least 75 px.\n" in said
    assert "cells: 1," in said
    assert main([*asked, "--backbone", "inception_v3"]) == 2
    assert "it needs at least 75 px" in capsys.readouterr().err


def test_a_batch_that_does_not_fit_is_timed_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    suite, tried, room = digits_suite({"precision": "auto"}), list[int](), [8]

    def probe(backbone: str, *, batch_size: int, **more: object) -> Choice:
        tried.append(batch_size)
        if batch_size > room[0]:
            raise torch.OutOfMemoryError("CUDA out of memory (simulated)")
        return Choice("contiguous", "float32")

    monkeypatch.setattr(session, "probe", probe)
    assert session.choose("test_resnet", suite, torch.device("cpu")) == Choice("contiguous", "float32")
    assert tried == [32, 16, 8]
    room[0] = 0
    with pytest.raises(UserError, match="test_resnet: not one image of 16 px fits the memory"):
        session.choose("test_resnet", suite, torch.device("cpu"))
