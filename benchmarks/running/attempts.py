"""How often a job may be tried: what killed its process is kept on disk, so that whoever starts again knows.

A job whose process or worker died, that ran out of memory, or that found a damaged state, gets one more attempt. A job
that failed otherwise, or took too long, gets none in this run. A run that a user starts forgets what others noted.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from pathlib import Path

from benchmarks.support.files import write_bytes

MOST = 2

_unwritten: dict[Path, Attempts] = {}  # what a full disk did not take


@dataclasses.dataclass(frozen=True)
class Attempts:
    """What happened to a job so far: a reason per attempt that failed, and whether another one is pointless."""

    reasons: tuple[str, ...] = ()
    final: bool = False
    traceback: str = ""

    @property
    def exhausted(self) -> bool:
        """Whether no attempt is left."""
        return self.final or len(self.reasons) >= MOST

    @property
    def reason(self) -> str:
        """The reason for giving the job up, as a record says it."""
        again = f" ({len(self.reasons)} attempts)" if len(self.reasons) > 1 else ""
        return f"{self.reasons[-1]}{again}" if self.reasons else ""

    @property
    def then(self) -> str:
        """What becomes of the job now, for people."""
        return "it is given up" if self.exhausted else "it goes on from its last checkpoint"


def of(work: Path, key: str) -> Attempts:
    """Return what is noted about the job `key` below `work` (an output folder's `.work`)."""
    if (path := _path(work, key)) in _unwritten:
        return _unwritten[path]
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Attempts(tuple(map(str, content["reasons"])), bool(content["final"]), str(content["traceback"]))
    except (OSError, ValueError, TypeError, KeyError):
        return Attempts()


def note(work: Path, key: str, reason: str, *, final: bool = False, traceback: str = "") -> Attempts:
    """Note an attempt at the job that failed, and return all that is known of it now."""
    before = of(work, key)
    now = Attempts((*before.reasons, reason), before.final or final, traceback or before.traceback)
    path = _path(work, key)
    _unwritten[path] = now
    with contextlib.suppress(OSError):
        write_bytes(path, json.dumps(dataclasses.asdict(now)).encode())
        del _unwritten[path]
    return now


def worth_another(error: BaseException) -> bool:
    """Whether a job that raised `error` may end better if it is tried again."""
    import torch  # the process that watches a run imports this file, and nothing heavy

    from benchmarks.training.checkpoint import CheckpointError

    full = isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
    return full or isinstance(error, CheckpointError)


def forget(work: Path) -> None:
    """Forget all attempts: a new run tries everything."""
    shutil.rmtree(work / "attempts", ignore_errors=True)
    _unwritten.clear()


def _path(work: Path, key: str) -> Path:
    return work / "attempts" / f"{key}.json"
