"""A Ray cluster of nodes on this machine, and what tests ask of a run on it. Import only where Ray is installed."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ray.cluster_utils import Cluster
from safetensors.numpy import load_file

from benchmarks.planning.plan import Cell, Job
from benchmarks.progress.events import Event, JobPlaced, Note
from benchmarks.progress.reporter import Reporters
from benchmarks.records import storage
from benchmarks.records.record import Record
from benchmarks.running import local
from benchmarks.running.ray.cluster import JobResources, joined
from benchmarks.running.session import Session
from benchmarks.suites.suite import Suite
from strategies.registry import load_file as load_plugin_file
from tests.making import digits_session
from tests.waiting import wait_until

ONE = JobResources(num_cpus=1, num_gpus=0, threads=1, device="cpu")
# a node without the processes that only serve people: Ray's dashboard, its autoscaler, its forwarding of logs
BARE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_log_monitor": False}
GONE = Path("gone")  # in place of a cache folder: the process has ended
HEAD = {"include_dashboard": False, "no_monitor": True}


@dataclasses.dataclass
class Nodes:
    """The cluster: a head, which stays, and the nodes beside it, each with a cache folder of its own."""

    cluster: Cluster
    folders: pytest.TempPathFactory
    beside: list[tuple[Any, Path]] = dataclasses.field(default_factory=list)

    @classmethod
    @contextlib.contextmanager
    def start(cls, folders: pytest.TempPathFactory) -> Iterator[Nodes]:
        """Be connected to a new cluster for the block; then see that none of its processes is left."""
        cluster = Cluster(initialize_head=True, head_node_args={**BARE, **HEAD})
        session = Path(cluster.head_node.get_session_dir_path()).name
        try:
            with joined(cluster.address):
                yield cls(cluster, folders)
        finally:
            cluster.shutdown()
        wait_until(lambda: not _processes(session))

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def add(self, **changes: Any) -> Path:
        """Let a node join; return its cache folder, by which its processes are known."""
        cache = self.folders.mktemp("cache-of-a-node")
        variables = {"BENCHMARKS_CACHE": str(cache), **changes.pop("env_vars", {})}
        self.beside.append((self.cluster.add_node(**{**BARE, **changes}, env_vars=variables), cache))
        return cache

    def have(self, count: int) -> Nodes:
        """Let nodes join or go until there are `count`, the head and plain ones beside it."""
        while len(self.beside) > count - 1:
            self.remove(self.beside[-1][1])
        while len(self.beside) < count - 1:
            self.add()
        return self

    def remove(self, cache: Path) -> None:
        """Kill the node that has this cache folder."""
        node = next(node for node, other in self.beside if other == cache)
        self.beside = [(other, folder) for other, folder in self.beside if other is not node]
        self.cluster.remove_node(node, allow_graceful=False)

    def cache_of(self, pid: int) -> Path | None:
        """Return the cache folder of the node that a process runs on, None for the head's; GONE where it has ended."""
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return GONE
        return next((cache for _, cache in self.beside if str(cache).encode() in environment), None)


def _processes(session: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if session.encode() in (line := path.read_bytes()):
                found.append(line.replace(b"\0", b" ").decode(errors="replace")[:200])
    return found


class Heard:
    """Remembers where jobs ran, and what was noted."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self.pids: dict[str, list[int]] = {}  # job -> processes
        self.caches: dict[str, list[Path | None]] = {}  # job -> cache folders of their nodes
        self.places: list[str] = []
        self.notes: list[str] = []

    def tell(self, event: Event) -> None:
        match event:
            case JobPlaced(job, where):
                self._place(job, where)
            case Note(line):
                self.notes.append(line)

    def _place(self, job: Job, where: str) -> None:
        pid = re.search(r"\((\d+)\)$", where)
        assert pid
        self.places.append(where)
        self.pids.setdefault(job.key, []).append(int(pid[1]))
        self.caches.setdefault(job.key, []).append(self.nodes.cache_of(int(pid[1])))


def load_plugin(folder: Path, text: str) -> Path:
    """Write a plugin file, load it into this process, and return its path."""
    path = folder / "plugin.py"
    path.write_text(text)
    load_plugin_file(path)
    return path


def run_here(out: Path, suite: Suite, strategies: tuple[str, ...]) -> Session:
    """Run cells in this process; return the session."""
    session = digits_session(out, suite, strategies=strategies)
    assert not local.execute(session.plan, session.context, out, Reporters()).failed
    return session


def same(one: Session, other: Session, cells: tuple[Cell, ...]) -> None:
    """Assert that two runs left the same bits: states, predictions, and all in the records but times and memory."""
    for cell in cells:
        for key in (key for chain in cell.jobs for key in chain):
            files = [session.context.store.state(key) for session in (one, other)]
            if all(file.exists() for file in files):  # states that no job needs any more are gone
                states = [load_file(file) for file in files]
                assert states[0].keys() == states[1].keys()
                assert all(np.array_equal(states[0][name], states[1][name], equal_nan=True) for name in states[0]), key
            results = [session.context.store.result(key) for session in (one, other)]
            assert results[0] and results[1] and results[0].losses == results[1].losses
        for chain in cell.jobs:
            arrays = [session.context.store.predictions(chain[-1]) for session in (one, other)]
            assert arrays[0].keys() == arrays[1].keys()
            assert all(np.array_equal(arrays[0][name], arrays[1][name]) for name in arrays[0])
        assert timeless(record(one, cell)) == timeless(record(other, cell))


def record(session: Session, cell: Cell) -> Record:
    out = session.context.store.work.parent
    return storage.read(storage.record_path(out, session.context.suite.name, cell.backbone, cell.strategy, cell.seed))


def timeless(of: Record) -> dict[str, Any]:
    """Return all of a record but times and memory."""
    content = dataclasses.asdict(of)
    for name in ("cost", "made"):
        content.pop(name)
    for stage in content["stages"]:
        stage.pop("seconds"), stage.pop("img_per_s")
    return content
