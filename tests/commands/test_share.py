"""How many jobs a run trains side by side: by what it trains, how many cells, and what the machine has idle."""

from __future__ import annotations

import pytest
import torch

from benchmarks.commands.opening import on_this_machine
from benchmarks.commands.options import PlanOptions
from benchmarks.running.session import Request
from benchmarks.suites.suite import load
from benchmarks.support import threads
from benchmarks.support.errors import UserError


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend two idle cores and no GPU, and leave this process's threads as they are."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "usable_cores", lambda: 2)
    monkeypatch.setattr(threads, "idle_cores", lambda looks: 2)
    monkeypatch.setattr("benchmarks.commands.opening.use_threads", lambda _: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.parametrize(
    ("suite", "strategies", "jobs", "said"),
    [
        ("catalog", (), 2, "images of 32 px"),
        ("catalog", ("none", "crt"), 1, "2 CPU threads"),  # they share most of their jobs
        ("fashion-frozen", (), 2, "classifiers on stored features"),
        ("fashion-finetune", (), 1, "2 CPU threads"),
    ],
)
def test_small_and_many_jobs_are_trained_side_by_side(
    suite: str, strategies: tuple[str, ...], jobs: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    request = Request(suite=load(suite), strategies=strategies)
    assert on_this_machine(PlanOptions(), request).jobs == jobs
    assert said in capsys.readouterr().out


def test_on_a_gpu_there_is_one_job_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    request = Request(suite=load("catalog"))
    assert on_this_machine(PlanOptions(), request).jobs == 1
    with pytest.raises(UserError, match="--jobs is for machines without a GPU"):
        on_this_machine(PlanOptions(jobs=2), request)
