"""Join a Ray cluster or start one on this machine, and decide which of its resources one job gets."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.support.errors import UserError

if TYPE_CHECKING:
    import torch

    from backbones.probe import Choice
    from benchmarks.running.session import Request
    from benchmarks.suites.suite import Suite

ANSWER_SECONDS, JOIN_SECONDS = 5, 60
LOCAL_OBJECTS_BYTES = 200 * 2**20  # enough on one machine, where workers share files and Ray carries little
# read by Ray when it is imported: no usage statistics, no advice or colours in its messages, normal worker priority
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_COLOR_PREFIX": "0",
    "RAY_worker_niceness": "0",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class JobResources:
    """What one job gets: its Ray resources, its CPU `threads` and the `device` that it trains on."""

    num_cpus: float
    num_gpus: float
    threads: int
    device: str

    @property
    def resources(self) -> dict[str, float]:
        """The resources as options of a Ray task or actor."""
        return {"num_cpus": self.num_cpus, "num_gpus": self.num_gpus}


@contextlib.contextmanager
def joined(address: str | None) -> Iterator[None]:
    """Stay connected to Ray in the block: to the cluster at `address`, else to an instance started for the block.

    Raises UserError if Ray is not installed, nothing answers at the address, or what answers cannot be joined.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise UserError("--executor ray needs Ray; run `pip install -e .[ray]`.") from error
    _check_address(address)
    own: dict[str, Any] = {"include_dashboard": False, "object_store_memory": LOCAL_OBJECTS_BYTES}
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address or "local", log_to_driver=False, logging_level=logging.ERROR, **({} if address else own))
    except Exception as error:
        what = f"the Ray cluster at {address} cannot be joined" if address else "no Ray instance could be started"
        raise UserError(f"{what} ({' '.join(str(error).split())[:300]}); see docs/clusters.md.") from error
    finally:
        signal.signal(signal.SIGTERM, handler)  # Ray installs its own handler
    try:
        yield
    finally:
        ray.shutdown()


def _check_address(address: str | None) -> None:
    """Raise UserError if no Ray cluster answers at the address soon; Ray itself would try for minutes."""
    if address is None or address == "auto":
        return
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdecimal():
        raise UserError(
            f"--address {address} is neither auto nor HOST:PORT; start the run on a machine of the cluster, "
            "with the address that `ray start --head` printed."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UserError(
            f"nothing answers at --address {address}; start a cluster there with `ray start --head`, or leave "
            "--address out to use this machine."
        ) from error
    command = [sys.executable, "-m", "ray.scripts.scripts", "status", "--address", address]
    try:
        answer = subprocess.run(command, capture_output=True, timeout=JOIN_SECONDS)
    except subprocess.TimeoutExpired:
        answer = None
    if answer is not None and b"AuthenticationError" in answer.stderr:
        raise UserError(
            f"the Ray cluster at {address} asks for a token; copy its ~/.ray/auth_token to this machine and set "
            "RAY_AUTH_MODE=token."
        )
    if answer is None or answer.returncode:
        raise UserError(f"what answers at --address {address} is no Ray cluster of this Python's version of Ray.")


def share(device: str, jobs_per_device: int | None, threads: int | None) -> JobResources:
    """Return what one job gets of the joined cluster; see `share_of`."""
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return share_of(nodes, device, jobs_per_device, threads)


def share_of(
    nodes: Sequence[Mapping[str, float]], device: str, jobs_per_device: int | None, threads: int | None
) -> JobResources:
    """Return what one job gets: 1/`jobs_per_device` of a GPU or, on CPU, of a machine's cores.

    `nodes`: the resources ("CPU", "GPU") of each machine. `device` "auto" means GPUs if there are any. The default of
    `jobs_per_device` is one job per GPU; on CPU, as many as fit with `threads` cores each, or one. A GPU job's cores
    are those per GPU of the machine that has the fewest. Raises UserError if no node has such a device.
    """
    with_gpu = [node for node in nodes if node.get("GPU")]
    if device == "cuda" and not with_gpu:
        raise UserError("--device cuda: the Ray cluster has no GPU; use --device cpu or auto.")
    if not any(node.get("CPU") for node in (with_gpu if with_gpu and device != "cpu" else nodes)):
        raise UserError("the Ray cluster has no CPU to give; start its nodes with --num-cpus.")
    if with_gpu and device != "cpu":
        jobs = jobs_per_device or 1
        each = min(node["CPU"] / node["GPU"] for node in with_gpu if node.get("CPU")) / jobs
        return JobResources(_whole(min(1.0, each)), _whole(1 / jobs), threads or max(1, int(each)), "cuda")
    smallest = min(node["CPU"] for node in nodes if node.get("CPU"))
    each = smallest / jobs_per_device if jobs_per_device else min(threads or smallest, smallest)
    return JobResources(_whole(each), 0.0, threads or max(1, int(each)), "cpu")


def _whole(amount: float) -> float:
    """Round down to what Ray accepts: whole numbers above 1, ten-thousandths below."""
    return float(int(amount)) if amount >= 1 else int(amount * 10000) / 10000


def fit(request: Request, given: JobResources) -> Request:
    """Return the request with the device of a job on the cluster."""
    import torch

    if given.device == "cuda" and not torch.cuda.is_available():
        return dataclasses.replace(request, device="cuda", choose=lambda *what: _choose_on_cluster(given, *what))
    return dataclasses.replace(request, device=given.device)


def _choose_on_cluster(given: JobResources, backbone: str, suite: Suite, device: torch.device) -> Choice:
    """Choose a backbone's layout and precision on a machine of the cluster, because this one has no such device."""
    import ray

    from benchmarks.running.session import choose

    choice: Choice = ray.get(ray.remote(choose).options(**given.resources).remote(backbone, suite, device))
    return choice
