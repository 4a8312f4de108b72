"""One writer per output folder: a lock that the OS releases if its holder dies, and a note that names the holder.

The lock is `filelock`'s on `<out>/.work/run.lock`: flock. On NFS Linux keeps it on the server, which releases it when
the lease of a lost host expires. Where a file system has no flock, filelock writes a lock file. No clocks are compared.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from backbones.files import write_bytes
from benchmarks.support.errors import UserError

POLL_SECONDS = 0.5
GRACE_SECONDS = 1.0  # for a process that is just ending


@dataclasses.dataclass(frozen=True)
class Holder:
    """The process that works in a folder: `host`, `process` id, `since` (UTC, ISO 8601) and the `command`."""

    host: str
    process: int
    since: str
    command: str

    def __str__(self) -> str:
        """Return the holder as the subject of a sentence."""
        return f"`{self.command}` (process {self.process} on {self.host}, since {self.since})"


@contextlib.contextmanager
def only_writer(out: Path, command: str, *, wait: bool, say: Callable[[str], None]) -> Iterator[None]:
    """Lock `out` for the block. If another process holds it, wait until that ends, or raise UserError.

    `say` gets a line about the process it waits for, or about a holder that died.
    """
    from filelock import FileLock, Timeout

    work = Path(out) / ".work"
    try:
        work.mkdir(parents=True, exist_ok=True)
        lock = FileLock(work / "run.lock")
        try:
            lock.acquire(timeout=GRACE_SECONDS)
        except Timeout:
            at_work = f"{holder(out) or 'another process'} is at work in {out}"
            if not wait:
                raise UserError(f"{at_work}; wait for it with --wait, or choose another --out.") from None
            say(f"{at_work}; waiting for it.")
            lock.acquire(timeout=-1, poll_interval=POLL_SECONDS)
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror or error}); choose another --out.") from error
    try:
        dead = holder(out)
        if dead is not None:
            say(f"{dead} ended without finishing; this process takes over.")
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        with contextlib.suppress(OSError):  # a full disk: the lock holds without the note
            note = Holder(socket.gethostname(), os.getpid(), now, command)
            write_bytes(_note(out), json.dumps(dataclasses.asdict(note)).encode())
        yield
    finally:
        _note(out).unlink(missing_ok=True)
        lock.release()


def holder(out: Path) -> Holder | None:
    """Return the process named in the note in `out`, if any; only the lock tells whether it is alive."""
    try:
        return Holder(**json.loads(_note(out).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def held(out: Path) -> bool:
    """Whether a living process holds `out`."""
    from filelock import FileLock, Timeout

    path = Path(out) / ".work" / "run.lock"
    if not path.exists():
        return False
    try:
        with FileLock(path).acquire(blocking=False):
            return False
    except Timeout:
        return True
    except OSError:  # a read-only folder: the lock cannot be tried
        return holder(out) is not None


def _note(out: Path) -> Path:
    return Path(out) / ".work" / "run.json"
