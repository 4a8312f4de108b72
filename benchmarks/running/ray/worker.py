"""One worker of a run on Ray: a process that loads torch and the data once, then trains one job after another.

What it makes goes to the run's output folder where it sees that folder too (one machine, a shared file system). Else it
works in a folder of its own, and everything goes through Ray, as bytes: the states that a job starts from, checkpoints
as they are taken, and at the end the job's files.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import fcntl
import io
import os
import shutil
import socket
import tempfile
import threading
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from benchmarks.data.decoded.delivered import ImageManifest
from benchmarks.planning.plan import Job
from benchmarks.planning.store import Store
from benchmarks.support.files import write_bytes
from benchmarks.support.threads import use_threads

NEWS_SECONDS = 0.5

Files = Mapping[str, bytes]  # path below `.work` -> content


@dataclasses.dataclass(frozen=True, eq=False)
class WorkerConfig:
    """What every worker gets once, through Ray.

    `context`: the driver's run context without its images, which `manifest` describes and the node `driver` holds.
    `out`: the output folder, which a worker shares if it finds `token` there. `weights`: the content of a weights file.
    `plugins`: name and content of each. `threads`: CPU threads of a job.
    """

    context: Any
    manifest: ImageManifest
    driver: str
    out: Path
    token: str | None
    weights: bytes | None
    plugins: tuple[tuple[str, bytes], ...]
    threads: int


@dataclasses.dataclass(frozen=True)
class WorkerInfo:
    """Where a worker is: `where` for people; `shares`: it sees the output folder."""

    where: str
    node: str
    pid: int
    shares: bool


@dataclasses.dataclass(frozen=True)
class JobUpdate:
    """What happened in a job since the last update: steps done out of all, what was printed, notes, files to keep.

    The last update of a job is `ended`; where it failed, `error` has the reason, `trace` where, and `may_retry` whether
    another try may end better: memory ran out, or a state was `damaged`. `keeps`: its checkpoints are still of use.
    """

    step: int = 0
    steps: int = 0
    said: str = ""
    notes: tuple[str, ...] = ()
    files: Files = dataclasses.field(default_factory=dict)
    ended: bool = False
    error: str | None = None
    trace: str = ""
    may_retry: bool = False
    damaged: bool = False
    keeps: bool = True


class Worker:
    """The actor. Ray gives it its share of the machine; it trains in a thread, so that it can tell meanwhile."""

    def __init__(self, config: WorkerConfig) -> None:
        """Load everything that jobs have in common."""
        import timm  # noqa: F401  (now, so that no job pays for what it imports)

        import benchmarks.running.job  # noqa: F401  (as above)
        from backbones.registry import load_entry_points
        from strategies.registry import load_file

        use_threads(config.threads)
        self._threads = config.threads
        self._own, self._lock = _own_folder()
        self._shares = _shared(config)
        load_entry_points()
        for name, content in config.plugins:
            write_bytes(self._own / "plugins" / name, content)
            load_file(self._own / "plugins" / name)
        context = config.context
        if config.weights is not None:
            write_bytes(self._own / "weights.safetensors", config.weights)
            context = dataclasses.replace(context, weights=self._own / "weights.safetensors")
        self._context = dataclasses.replace(
            context,
            loaded=dataclasses.replace(context.loaded, images_NHWC=_images(config)),
            store=Store(config.out if self._shares else self._own),
        )

    def info(self) -> WorkerInfo:
        """Say where this worker is; answered as soon as everything is loaded."""
        import ray

        gpus = ",".join(str(gpu) for gpu in ray.get_gpu_ids())
        node = ray.get_runtime_context().get_node_id()
        where = f"{socket.gethostname()}{f' GPU {gpus}' if gpus else ''} ({os.getpid()})"
        return WorkerInfo(where, node, os.getpid(), self._shares)

    def train(self, job: Job, files: Files) -> Iterator[JobUpdate]:
        """Train `job`, which starts from the states in `files` (empty where the folder is shared); yield the update."""
        store = self._context.store
        for name, content in files.items():
            write_bytes(store.work / name, content)
        at, ended, said, notes = [0, 0], [JobUpdate(ended=True)], _Said(), _Said()
        thread = threading.Thread(target=self._train, args=(job, at, ended, said, notes), daemon=True)
        taken = _stamp(store.checkpoint(job.key))
        yield JobUpdate()  # it has begun
        thread.start()
        while thread.is_alive():
            thread.join(NEWS_SECONDS)
            found = _stamp(store.checkpoint(job.key))
            sent: Files = {}
            if found is not None and found != taken and not self._shares:
                with contextlib.suppress(FileNotFoundError):  # the job has just ended
                    sent = _content(store, store.checkpoint(job.key))
            taken = found
            yield JobUpdate(at[0], at[1], said.drain(), tuple(notes.drain().splitlines()), sent)
        made = {} if self._shares or ended[0].error else _made(store, job)
        yield dataclasses.replace(
            ended[0], step=at[0], steps=at[1], said=said.drain(), notes=tuple(notes.drain().splitlines()), files=made,
            keeps=store.checkpoint(job.key).exists(),
        )  # fmt: skip
        if not self._shares:
            shutil.rmtree(store.work / "jobs", ignore_errors=True)

    def _train(self, job: Job, at: list[int], ended: list[JobUpdate], said: _Said, notes: _Said) -> None:
        from benchmarks.running.attempts import worth_another
        from benchmarks.running.cells import reason_of
        from benchmarks.running.job import run_job
        from benchmarks.training.checkpoint import CheckpointError

        use_threads(self._threads)  # OpenMP counts them per thread that asks
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                run_job(
                    self._context, job, lambda step, steps: at.__setitem__(slice(None), (step, steps)),
                    notes.line,
                )  # fmt: skip
        except BaseException as error:  # whatever it is, the driver has to know
            ended[0] = JobUpdate(
                ended=True, error=reason_of(error), trace=traceback.format_exc(), may_retry=worth_another(error),
                damaged=isinstance(error, CheckpointError),
            )  # fmt: skip


class _Said(io.TextIOBase):
    """What one thread prints and another takes away."""

    def __init__(self) -> None:
        self._parts: collections.deque[str] = collections.deque()

    def write(self, text: str) -> int:
        """Keep the text; returns its length, as every stream does."""
        self._parts.append(text)
        return len(text)

    def line(self, text: str) -> None:
        """Keep the text as one line."""
        self.write(f"{' '.join(text.split())}\n")

    def drain(self) -> str:
        """Return what was printed since the last call, and forget it."""
        return "".join(self._parts.popleft() for _ in range(len(self._parts)))


def piece(file: Path, start: int, end: int) -> np.ndarray:
    """Return rows of decoded images: a task that runs where they lie."""
    return np.array(np.load(file, mmap_mode="r", allow_pickle=False)[start:end])


def _images(config: WorkerConfig) -> np.ndarray:
    """Return this node's memory map of the images; what is not there yet comes from the driver's node, in pieces."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    from benchmarks.data.decoded.delivered import find_or_write
    from benchmarks.data.load import cache_folder

    there = NodeAffinitySchedulingStrategy(config.driver, soft=False)
    fetch = ray.remote(piece).options(num_cpus=0, scheduling_strategy=there)
    pieces = (ray.get(fetch.remote(config.manifest.file, start, end)) for start, end in config.manifest.pieces())
    return find_or_write(cache_folder() / "decoded", config.manifest, pieces)


def _own_folder() -> tuple[Path, IO[str]]:
    """Return a new folder of this process, and the lock that tells others that it lives; remove those of the dead."""
    above = Path(tempfile.gettempdir())
    for left in above.glob("imbalance-benchmarks-worker-*/lock"):
        with contextlib.suppress(OSError), open(left) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left.parent, ignore_errors=True)
    own = Path(tempfile.mkdtemp(prefix="imbalance-benchmarks-worker-", dir=above))
    lock = open(own / "lock", "w")  # noqa: SIM115  (held for as long as the process lives)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return own, lock


def _shared(config: WorkerConfig) -> bool:
    """Whether this worker sees the run's output folder: the token that the driver left is there."""
    return config.token is not None and (Store(config.out).work / config.token).exists()


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_ino


def _content(store: Store, *files: Path) -> dict[str, bytes]:
    return {str(file.relative_to(store.work)): file.read_bytes() for file in files}


def _made(store: Store, job: Job) -> dict[str, bytes]:
    """Return all that the job left, the result, which says that it is done, last."""
    files = [file for file in sorted(store.folder(job.key).iterdir()) if not file.name.startswith(".")]
    return _content(store, *sorted(files, key=lambda file: file.name == "result.json"))
