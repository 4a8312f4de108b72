"""Joining a cluster, the error if that fails, and the resources of one job."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from benchmarks.cli import main
from benchmarks.running.ray import cluster
from benchmarks.running.ray.cluster import JobResources
from benchmarks.support.errors import UserError

RUN = ["run", "--all", "--suite", "digits", "--executor", "ray"]


def _refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main([*RUN, *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    return error


@pytest.fixture
def port() -> Iterator[int]:
    """Return a port whose listener never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_without_ray_the_command_that_installs_it_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert "pip install -e .[ray]" in _refused(capsys)


def test_options_of_ray_are_refused_without_it(capsys: pytest.CaptureFixture[str]) -> None:
    for option in (["--address", "auto"], ["--jobs-per-device", "2"]):
        assert main(["run", "--all", "--suite", "digits", *option]) == 2
        assert "add --executor ray" in capsys.readouterr().err


def test_an_address_at_which_no_cluster_answers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed (the extra `ray`)")
    monkeypatch.setattr(cluster, "JOIN_SECONDS", 1.0)
    monkeypatch.setenv("RAY_ADDRESS", "")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        silent = closed.getsockname()[1]
    assert "nothing answers" in _refused(capsys, "--address", f"127.0.0.1:{silent}")
    assert "is no Ray cluster" in _refused(capsys, "--address", f"127.0.0.1:{port}")
    for wrong in ("ray://127.0.0.1:1", "somewhere", ":7"):
        assert "neither auto nor HOST:PORT" in _refused(capsys, "--address", wrong)


HEAD = """
from ray.cluster_utils import Cluster
head = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, "no_monitor": True,
               "include_log_monitor": False, "object_store_memory": 80 * 2**20})
print(f"at {head.address}", flush=True)
input()
head.shutdown()
"""


@pytest.fixture
def guarded() -> Iterator[str]:
    """Return the address of a cluster that asks for a token."""
    pytest.importorskip("ray", reason="Ray is not installed (the extra `ray`)")
    environment = {
        **os.environ,
        **cluster.QUIET,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": "0123456789abcdef" * 4,
    }
    with subprocess.Popen(
        [sys.executable, "-c", HEAD], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as head:
        assert head.stdout is not None
        yield next(line.split()[1] for line in head.stdout if line.startswith("at "))
        head.communicate("\n")


def test_a_cluster_that_asks_for_a_token_that_is_not_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, guarded: str
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    error = _refused(capsys, "--address", guarded)
    assert "asks for a token; copy its ~/.ray/auth_token to this machine and set RAY_AUTH_MODE=token" in error


@pytest.mark.parametrize(
    ("nodes", "asked", "expected"),
    [
        # a machine with eight GPUs: one job each, its cores shared out
        ([{"GPU": 8, "CPU": 64}], ("auto", None, None), JobResources(1.0, 1.0, 8, "cuda")),
        ([{"GPU": 8, "CPU": 64}], ("auto", 2, None), JobResources(1.0, 0.5, 4, "cuda")),
        ([{"GPU": 8, "CPU": 4}], ("cuda", 3, 2), JobResources(0.1666, 0.3333, 2, "cuda")),
        # a head without GPUs lends no cores, the machine with the fewest per GPU decides
        (
            [{"CPU": 64}, {"GPU": 8, "CPU": 32}, {"GPU": 1, "CPU": 8}],
            ("auto", None, None),
            JobResources(1.0, 1.0, 4, "cuda"),
        ),
        # CPUs: a machine is the device
        ([{"GPU": 8, "CPU": 64}], ("cpu", None, None), JobResources(64.0, 0.0, 64, "cpu")),
        ([{"CPU": 16}, {"CPU": 8}, {}], ("auto", None, None), JobResources(8.0, 0.0, 8, "cpu")),
        ([{"CPU": 16}], ("auto", 3, None), JobResources(5.0, 0.0, 5, "cpu")),
        ([{"CPU": 2}], ("auto", 4, None), JobResources(0.5, 0.0, 1, "cpu")),
        ([{"CPU": 2}], ("auto", None, 1), JobResources(1.0, 0.0, 1, "cpu")),
        ([{"CPU": 2}], ("auto", None, 4), JobResources(2.0, 0.0, 4, "cpu")),
        ([{"CPU": 8}], ("auto", 2, 1), JobResources(4.0, 0.0, 1, "cpu")),
    ],
)
def test_what_one_job_gets(nodes: list[dict[str, float]], asked: tuple, expected: JobResources) -> None:
    assert cluster.share_of(nodes, *asked) == expected


def test_a_device_that_the_cluster_lacks_is_refused() -> None:
    with pytest.raises(UserError, match="no GPU"):
        cluster.share_of([{"CPU": 2}], "cuda", None, None)
    with pytest.raises(UserError, match="no CPU"):
        cluster.share_of([{"GPU": 2}], "auto", None, None)
