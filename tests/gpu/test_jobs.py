"""Real jobs on a GPU: exact float32 by default, keys of their own, memory without the shared images."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.running.job import run_job
from benchmarks.running.session import Request, Session, open_session
from benchmarks.suites.suite import Suite
from benchmarks.training.gpu.arithmetic import float32_arithmetic
from tests.making import digits_session, digits_suite


def open_on_gpu(out: Path, strategy: str = "none", suite: Suite | None = None) -> Session:
    asked = Request(suite=suite or digits_suite(), device="cuda", out=out, strategies=(strategy,))
    return open_session(asked, lambda line: None, lambda *progress: None)


def test_a_job_has_another_key_than_on_the_cpu_and_trains_alike(tmp_path: Path) -> None:
    gpu, cpu = open_on_gpu(tmp_path / "gpu"), digits_session(tmp_path / "cpu")
    keys = [session.plan.cells[0].jobs[0][0] for session in (gpu, cpu)]
    assert keys[0] != keys[1]
    on_gpu, on_cpu = (run_job(s.context, s.plan.jobs[k]) for s, k in zip((gpu, cpu), keys, strict=True))
    torch.testing.assert_close(on_gpu.losses[0], on_cpu.losses[0], rtol=0.02, atol=0)
    held = torch.cuda.max_memory_allocated()
    assert gpu.context.resident_bytes == gpu.context.loaded.images_NHWC.nbytes
    assert on_gpu.peak_memory_bytes <= held - gpu.context.resident_bytes


def test_products_are_exact_unless_tf32_is_asked_for() -> None:
    a, b = (torch.randn(256, 256, dtype=torch.float64) for _ in range(2))

    def error(tf32: bool) -> float:
        with float32_arithmetic(tf32):
            return float((a.float().cuda() @ b.float().cuda() - (a @ b).cuda()).abs().max())

    assert error(tf32=False) < 1e-3 < error(tf32=True)


@pytest.mark.parametrize("strategy", ["none", "ldam", "mixup", "minority-augment"])
def test_a_step_does_not_wait_for_the_gpu(tmp_path: Path, strategy: str) -> None:
    session = open_on_gpu(tmp_path, strategy)

    def second_step_must_not(step: int, steps: int) -> None:
        torch.cuda.set_sync_debug_mode("error" if step == 1 else "default")

    try:
        for job in session.plan.jobs.values():
            run_job(session.context, job, second_step_must_not)
    finally:
        torch.cuda.set_sync_debug_mode("default")
