"""TF32 is what the recipe says while a job trains, and afterwards what it was."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.running.job import run_job
from benchmarks.training.gpu.arithmetic import float32_arithmetic
from tests.making import digits_session, digits_suite


def _tf32() -> tuple[bool, bool]:
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize("tf32", [False, True])
def test_a_job_trains_with_tf32_as_its_recipe_says(tmp_path: Path, tf32: bool) -> None:
    before, seen = _tf32(), set()
    session = digits_session(tmp_path, digits_suite({"tf32": tf32}))
    job = session.plan.jobs[session.plan.cells[0].jobs[0][0]]
    run_job(session.context, job, lambda step, steps: seen.add(_tf32()))
    assert seen == {(tf32, tf32)}
    assert _tf32() == before


def test_an_error_puts_the_settings_back() -> None:
    before = _tf32()
    with pytest.raises(ZeroDivisionError), float32_arithmetic(tf32=True):
        raise ZeroDivisionError
    assert _tf32() == before
