"""The cluster that all tests of the executor on Ray share; imported where Ray is missing too."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from benchmarks.running.ray import cluster

if TYPE_CHECKING:
    from tests.running.ray.nodes import Nodes

# Ray reads these when it is imported; where it asks for tokens it leaves one in the home folder. It watches the memory
# only where a test is about that: what else runs on this machine is not the tests' to answer for.
os.environ.update({**cluster.QUIET, "RAY_AUTH_MODE": "disabled", "RAY_memory_monitor_refresh_ms": "0"})


@pytest.fixture(scope="session")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Return a Ray cluster on this machine to which this process is connected: a head with one core."""
    from tests.running.ray.nodes import Nodes

    with Nodes.start(tmp_path_factory) as started:
        yield started


@pytest.fixture
def two_nodes(nodes: Nodes) -> Nodes:
    """Return the cluster with a second node of one core."""
    return nodes.have(2)
