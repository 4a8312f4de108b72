"""A Ray worker: a process that loads torch and the data once, then trains one job after another.

If it can see the run's output folder (same machine, shared file system), it writes its files there. Otherwise it works
in a temporary folder, and files travel through Ray as bytes: the states that a job starts from, checkpoints as they
are written, and the job's files at its end.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from backbones.files import write_bytes
from benchmarks.data.decoded.delivered import ImageManifest
from benchmarks.planning.plan import Job
from benchmarks.planning.store import Store
from benchmarks.running.pooled.updates import Files, JobUpdate, Said, WorkerInfo, attempt
from benchmarks.support.threads import use_threads

UPDATE_SECONDS = 0.5

if TYPE_CHECKING:
    from backbones.weights import FirstWeights


@dataclasses.dataclass(frozen=True, eq=False)
class WorkerConfig:
    """What every worker receives once, through Ray.

    `context`: the driver's run context without the images; `manifest` describes those, and the node `driver` has them.
    `out`: the output folder; a worker that finds the file `token` in it shares it. `weights`: content of each
    backbone's file. `plugins`: name and content of each. `threads`: CPU threads per job.
    """

    context: Any
    manifest: ImageManifest
    driver: str
    out: Path
    token: str | None
    weights: Mapping[str, bytes]
    plugins: tuple[tuple[str, bytes], ...]
    threads: int


class Worker:
    """The Ray actor. It trains in a thread so that it can send updates meanwhile."""

    def __init__(self, config: WorkerConfig) -> None:
        """Load what all jobs share."""
        import timm  # noqa: F401  (imported here so that no job pays for it)

        import benchmarks.running.job  # noqa: F401  (likewise)
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
        self._context = dataclasses.replace(
            context,
            first_weights={
                name: self._keep(context.first_weights[name], config.weights[name]) for name in config.weights
            },
            loaded=dataclasses.replace(context.loaded, images_NHWC=_images(config)),
            store=Store(config.out if self._shares else self._own),
        )

    def _keep(self, first: FirstWeights, content: bytes) -> FirstWeights:
        """Write the driver's file of first weights here, and return it."""
        path = self._own / "weights" / first.sha256 / first.path.name
        write_bytes(path, content)
        return dataclasses.replace(first, path=path)

    def info(self) -> WorkerInfo:
        """Return where this worker runs; Ray answers once `__init__` is done."""
        import ray

        gpus = ",".join(str(gpu) for gpu in ray.get_gpu_ids())
        where = f"{socket.gethostname()}{f' GPU {gpus}' if gpus else ''} ({os.getpid()})"
        return WorkerInfo(where, self._shares)

    def train(self, job: Job, files: Files) -> Iterator[JobUpdate]:
        """Train `job` from the states in `files` (empty if the output folder is shared), and yield its updates."""
        store = self._context.store
        for name, content in files.items():
            write_bytes(store.work / name, content)
        at, ended, said, notes = [0, 0], [JobUpdate(ended=True)], Said(), Said()
        thread = threading.Thread(target=self._train, args=(job, at, ended, said, notes), daemon=True)
        taken = _stamp(store.checkpoint(job.key))
        yield JobUpdate()  # tells the driver that the job has begun
        thread.start()
        while thread.is_alive():
            thread.join(UPDATE_SECONDS)
            found = _stamp(store.checkpoint(job.key))
            sent: Files = {}
            if found is not None and found != taken and not self._shares:
                with contextlib.suppress(FileNotFoundError):  # the job ended just now
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

    def _train(self, job: Job, at: list[int], ended: list[JobUpdate], said: Said, notes: Said) -> None:
        use_threads(self._threads)  # OpenMP keeps this setting per thread

        def on_step(step: int, steps: int) -> None:
            at[:] = step, steps

        ended[0] = attempt(self._context, job, on_step, said, notes, shares=self._shares)


def piece(file: Path, start: int, end: int) -> np.ndarray:
    """Return rows start..end of decoded images, uint8 [rows, H, W, 3]; runs as a task on the node that has the file."""
    return np.array(np.load(file, mmap_mode="r", allow_pickle=False)[start:end])


def _images(config: WorkerConfig) -> np.ndarray:
    """Return this node's memory map of the images; a missing file is fetched from the driver's node in pieces."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    from benchmarks.data.decoded.delivered import find_or_write
    from benchmarks.data.load import cache_folder

    on_driver = NodeAffinitySchedulingStrategy(config.driver, soft=False)
    fetch = ray.remote(piece).options(num_cpus=0, scheduling_strategy=on_driver)
    pieces = (ray.get(fetch.remote(config.manifest.file, start, end)) for start, end in config.manifest.pieces())
    return find_or_write(cache_folder() / "decoded", config.manifest, pieces)


def _own_folder() -> tuple[Path, IO[str]]:
    """Return a new temporary folder and its lock, held while this process lives; remove folders of dead workers."""
    above = Path(tempfile.gettempdir())
    for left in above.glob("imbalance-benchmarks-worker-*/lock"):
        with contextlib.suppress(OSError), open(left) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left.parent, ignore_errors=True)
    own = Path(tempfile.mkdtemp(prefix="imbalance-benchmarks-worker-", dir=above))
    lock = open(own / "lock", "w")  # noqa: SIM115  (held until the process ends)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return own, lock


def _shared(config: WorkerConfig) -> bool:
    """Whether this worker can see the run's output folder, i.e. the driver's token file in it."""
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
    """Return all files of the job; the result, which marks it as done, comes last."""
    files = [file for file in sorted(store.folder(job.key).iterdir()) if not file.name.startswith(".")]
    return _content(store, *sorted(files, key=lambda file: file.name == "result.json"))
