"""The default number of CPU threads: idle cores, what the environment says, and what a continued run had."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.support import threads
from benchmarks.support.threads import default_threads, note_threads, use_threads


def test_threads_are_the_idle_cores_and_a_continued_run_keeps_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert default_threads(tmp_path) == (None, "")
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(threads, "usable_cores", lambda: 4)
    monkeypatch.setattr(threads, "idle_cores", lambda: 2)
    number, said = default_threads(tmp_path)
    assert (number, said) == (
        2, "Computing with 2 CPU threads on 4 cores, the others are busy; --threads N sets another number."
    )  # fmt: skip
    use_threads(1)
    note_threads(tmp_path)
    assert default_threads(tmp_path)[0] == 2, "nothing is continued"
    assert default_threads(tmp_path, restarted=True)[0] == 1
    (tmp_path / "jobs" / "key").mkdir(parents=True)
    (tmp_path / "jobs" / "key" / "checkpoint.safetensors").touch()
    assert default_threads(tmp_path) == (1, "Computing with 1 CPU thread, as the run that is continued.")
