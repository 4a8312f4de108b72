"""How often a job may be tried: what killed its process is kept on disk, so that whoever starts again knows.

A job whose process died, or ran out of memory, gets one more attempt. A job that failed otherwise, or took too long,
gets none in this run. A run that a user starts forgets what earlier ones noted.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from pathlib import Path

from benchmarks.files import write_bytes

MOST = 2


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


def of(work: Path, key: str) -> Attempts:
    """Return what is noted about the job `key` below `work` (an output folder's `.work`)."""
    try:
        content = json.loads(_path(work, key).read_text(encoding="utf-8"))
        return Attempts(tuple(map(str, content["reasons"])), bool(content["final"]), str(content["traceback"]))
    except (OSError, ValueError, TypeError, KeyError):
        return Attempts()


def note(work: Path, key: str, reason: str, *, final: bool = False, traceback: str = "") -> Attempts:
    """Note an attempt at the job that failed, and return all that is known of it now."""
    before = of(work, key)
    now = Attempts((*before.reasons, reason), before.final or final, traceback or before.traceback)
    with contextlib.suppress(OSError):  # a full disk: this process knows, and has no other to tell
        write_bytes(_path(work, key), json.dumps(dataclasses.asdict(now)).encode())
    return now


def forget(work: Path) -> None:
    """Forget all attempts: a new run tries everything."""
    shutil.rmtree(work / "attempts", ignore_errors=True)


def _path(work: Path, key: str) -> Path:
    return work / "attempts" / f"{key}.json"
