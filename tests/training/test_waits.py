"""The host queues a training step and never waits for the GPU in it: counted on a pretended one, for every strategy."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.contract import tiny
from benchmarks.running.job import begin, run_job
from benchmarks.training import predict
from strategies.base import Facts, Progress, Step
from strategies.common import queued, weighted_mean
from strategies.registry import names
from tests.gpu_waits import pretend_cuda_calls, pretended_gpu

# Strategies whose step waits, and where; the line there says why.
WAIT = {"seesaw": "strategies/losses/seesaw.py"}
READS_NAMES = "backbones/text.py"  # packing sequences needs their lengths on the CPU


def test_waits_are_counted_and_queued_copies_are_none() -> None:
    with pretended_gpu() as waits:
        on_gpu_N = torch.arange(4.0).to("cuda")
        assert on_gpu_N.is_cuda and (on_gpu_N * 2).sum().device.type == "cuda"
        waits.counting = True
        step = Step(Facts((2, 1), ("a", "b"), 1), Progress(0, 1), on_gpu_N, torch.Generator())
        queued(torch.arange(4), on_gpu_N)
        weighted_mean(on_gpu_N, on_gpu_N, on_gpu_N)
        assert not waits.lines
        step.constant(np.ones(4), on_gpu_N)
        assert sum(waits.lines.values()) == 1, "the first copy of a constant"
        step.constant(np.ones(4), on_gpu_N)
        assert sum(waits.lines.values()) == 1


@pytest.fixture
def _no_cuda_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_cuda_calls(monkeypatch)


@pytest.mark.usefixtures("_no_cuda_calls")
@pytest.mark.parametrize("strategy", names())
def test_a_step_waits_nowhere_but_where_it_says_why(tmp_path: Path, strategy: str) -> None:
    with tiny.backbone(), pretended_gpu() as waits:
        plan, context = tiny.session([strategy], tmp_path, epochs=2)
        context = dataclasses.replace(context, device=torch.device("cuda"))

        def second_step_counts(step: int, steps: int) -> None:
            waits.counting = step == 1 and steps > 1  # the first step of an epoch copies constants

        for job in plan.jobs.values():
            run_job(context, job, second_step_counts)
            waits.counting = False
    allowed = (READS_NAMES, WAIT.get(strategy, READS_NAMES))
    assert [line for line in waits.lines if not line.startswith(allowed)] == []
    assert strategy not in WAIT or waits.lines


@pytest.mark.usefixtures("_no_cuda_calls")
def test_an_evaluation_waits_once_for_each_output_however_many_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predict, "GPU_BATCH", 4)
    with tiny.backbone(), pretended_gpu() as waits:
        plan, context = tiny.session(["none"], tmp_path)
        context = dataclasses.replace(context, device=torch.device("cuda"))
        training = begin(context, next(iter(plan.jobs.values())))
        rows_N, classes = training.stage.data.train_rows, training.facts.num_classes
        assert len(rows_N) > 3 * predict.GPU_BATCH
        waits.counting = True
        outputs = predict.outputs_of(
            training.network, training.batcher, rows_N, training.choice, classes, features=False
        )
    assert outputs.logits_BC.shape == (len(rows_N), classes)
    assert sum(waits.lines.values()) <= 2, waits.lines  # logits, and features without columns
