"""Failed attempts at jobs, stored on disk so that the process that replaces a dead one sees them.

A job gets one more attempt if its process or worker died, it ran out of memory, it lost its GPU, or it found a damaged
state. After any other failure or a timeout it gets none in this run. A new run forgets the attempts of earlier ones.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from pathlib import Path

from backbones.files import write_bytes
from benchmarks.support.gpu_errors import device_lost, out_of_memory

MOST = 2


@dataclasses.dataclass(frozen=True)
class Attempts:
    """The failed attempts at a job: a reason for each, and whether another attempt is pointless."""

    reasons: tuple[str, ...] = ()
    final: bool = False
    traceback: str = ""

    @property
    def exhausted(self) -> bool:
        """Whether no attempt is left."""
        return self.final or len(self.reasons) >= MOST

    @property
    def reason(self) -> str:
        """The reason for giving the job up, for its record."""
        again = f" ({len(self.reasons)} attempts)" if len(self.reasons) > 1 else ""
        return f"{self.reasons[-1]}{again}" if self.reasons else ""

    @property
    def then(self) -> str:
        """What happens to the job now, for messages."""
        return "it is given up" if self.exhausted else "it continues from its last checkpoint"


class AttemptLog:
    """The failed attempts of jobs, in files below `work` (an output folder's `.work`).

    Those that a full disk could not store are kept in memory, which processes forked later inherit.
    """

    def __init__(self) -> None:
        """Start with nothing in memory."""
        self._unwritten: dict[Path, Attempts] = {}

    def of(self, work: Path, key: str) -> Attempts:
        """Return the failed attempts at the job `key`."""
        if (path := _path(work, key)) in self._unwritten:
            return self._unwritten[path]
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return Attempts(tuple(map(str, content["reasons"])), bool(content["final"]), str(content["traceback"]))
        except (OSError, ValueError, TypeError, KeyError):
            return Attempts()

    def note(self, work: Path, key: str, reason: str, *, final: bool = False, traceback: str = "") -> Attempts:
        """Add a failed attempt at the job `key`, and return all of them."""
        before = self.of(work, key)
        now = Attempts((*before.reasons, reason), before.final or final, traceback or before.traceback)
        path = _path(work, key)
        self._unwritten[path] = now
        with contextlib.suppress(OSError):
            write_bytes(path, json.dumps(dataclasses.asdict(now)).encode())
            del self._unwritten[path]
        return now

    def forget(self, work: Path) -> None:
        """Forget all attempts: a new run tries everything."""
        shutil.rmtree(work / "attempts", ignore_errors=True)
        self._unwritten.clear()


def worth_another(error: BaseException) -> bool:
    """Whether a job that raised `error` may succeed if it is tried again."""
    from benchmarks.training.checkpoint import CheckpointError  # imports torch; the supervisor must stay light

    return out_of_memory(error) or device_lost(error) or isinstance(error, CheckpointError)


def _path(work: Path, key: str) -> Path:
    return work / "attempts" / f"{key}.json"
