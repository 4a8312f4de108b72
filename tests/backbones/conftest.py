"""One thread for these tests: their batches are so small that a second one only waits."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def _in_one_thread(one_thread: None) -> None:
    """Ask for `one_thread` in each module."""
