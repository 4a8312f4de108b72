"""Short texts about records."""

from __future__ import annotations

import pytest

from benchmarks.leaderboard import describe
from tests.leaderboard import make

HARDWARE = {"cpu": "Some CPU", "cores": 2}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"threads": 1, "hardware": HARDWARE}, "Some CPU, 1 thread of 2 cores"),
        ({"threads": 2, "hardware": HARDWARE}, "Some CPU, 2 threads of 2 cores"),
        ({"threads": 1, "hardware": {"cpu": "Small", "cores": 1}}, "Small, 1 thread of 1 core"),
        ({"threads": 3, "hardware": {}}, "CPU, 3 threads"),
        ({"device": "cuda", "hardware": {"gpu": "Some GPU", "cores": 16}}, "Some GPU"),
    ],
)
def test_a_machine_is_named_with_the_threads_that_a_job_had(changes: dict, expected: str) -> None:
    assert describe.machines([make.record(**changes)]) == expected


def test_a_machine_whose_jobs_had_other_threads_is_named_once() -> None:
    found = [make.record(threads=threads, hardware=HARDWARE) for threads in (2, 1, 4, 1)]
    assert describe.machines(found) == "Some CPU, 1 or 2 or 4 threads of 2 cores"
    other = make.record(threads=2, hardware={"cpu": "A CPU", "cores": 2})
    assert describe.machines([*found, other]).startswith("A CPU, 2 threads of 2 cores; Some CPU, 1 or 2")
