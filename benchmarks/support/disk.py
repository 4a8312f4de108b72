"""A full disk: detected before work is lost, and reported in one sentence."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks.support.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT)


class DiskFull(UserError):
    """The output folder's disk has no room: the run ends, because no further job could be stored."""


def require_room(folder: Path, needed_bytes: int) -> None:
    """Raise DiskFull if the disk of `folder`, which may not exist yet, has less than `needed_bytes` free."""
    place = next((above for above in (folder, *folder.parents) if above.exists()), Path("."))
    free = shutil.disk_usage(place).free
    if free < needed_bytes:
        raise DiskFull(_sentence(folder, f"has {_mb(free)} left, and the next job writes {_mb(needed_bytes)}"))


@contextlib.contextmanager
def ends_if_full(folder: Path) -> Iterator[None]:
    """Raise DiskFull if the block fails because the disk, or the user's quota on it, is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise DiskFull(_sentence(folder, f"cannot be written ({error.strerror})")) from error


def _sentence(folder: Path, what: str) -> str:
    return f"{folder} {what}; make room and run the command again; finished work is kept."


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"
