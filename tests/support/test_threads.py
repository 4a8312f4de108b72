"""How a run shares the CPU: idle cores, free memory, what the environment says, and what a continued run had."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.support import threads
from benchmarks.support.threads import JOB_BYTES, Share, default_share, note_threads, use_threads


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Return what this machine is taken to have, to be changed at will."""
    here = {"usable": 4.0, "idle": 2.0, "memory": 100.0 * JOB_BYTES}
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "usable_cores", lambda: int(here["usable"]))
    monkeypatch.setattr(threads, "idle_cores", lambda looks: int(here["idle"]))
    monkeypatch.setattr(threads, "free_memory_bytes", lambda: here["memory"])
    return here


def test_threads_are_the_idle_cores_and_a_continued_run_keeps_its_number(
    tmp_path: Path, cores: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    share, said = default_share(tmp_path)
    assert (share, said) == (
        Share(1, 2), "Computing with 2 CPU threads on 4 cores, the others are busy; --threads N sets another number."
    )  # fmt: skip
    use_threads(1)
    note_threads(tmp_path)
    assert default_share(tmp_path)[0] == Share(1, 2), "nothing is continued"
    assert default_share(tmp_path, restarted=True)[0] == Share(1, 1)
    (tmp_path / "jobs" / "key").mkdir(parents=True)
    (tmp_path / "jobs" / "key" / "checkpoint.safetensors").touch()
    assert default_share(tmp_path) == (Share(1, 1), "Computing with 1 CPU thread, as the run that is continued.")
    assert default_share(tmp_path, small="images")[0] == Share(2, 1)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert default_share(tmp_path, small="images") == (Share(1, None), "")


def test_small_jobs_are_side_by_side_as_cores_and_memory_allow(tmp_path: Path, cores: dict[str, float]) -> None:
    cores |= {"usable": 2, "idle": 2}
    assert default_share(tmp_path, small="images of 32 px") == (
        Share(2, 1),
        "Training 2 jobs side by side with 1 CPU thread each on 2 cores; images of 32 px do not keep several cores "
        "busy; --jobs N and --threads N set other numbers.",
    )
    assert default_share(tmp_path, small="images", threads=1) == (Share(1, 1), "")
    assert default_share(tmp_path, small="images", jobs=3)[0] == Share(3, 1)
    assert default_share(tmp_path, jobs=2, threads=2)[0] == Share(2, 2)
    cores |= {"idle": 1}
    assert default_share(tmp_path, small="images")[0] == Share(1, 1)
    cores |= {"usable": 12, "idle": 12}
    assert default_share(tmp_path, small="images")[0] == Share(6, 2)
    cores |= {"memory": 3.5 * JOB_BYTES}
    share, said = default_share(tmp_path, small="images")
    assert share == Share(3, 4) and "there is memory for 3 jobs" in said
