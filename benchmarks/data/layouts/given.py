"""Checks of the --data path that are the same for every dataset."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.support.errors import UserError


def require_readable(path: Path, expects: str) -> None:
    """Raise UserError if `path` does not exist, cannot be listed, or is the root of the file system.

    `expects`: what the path should be, for the message.
    """
    if not path.exists():
        raise UserError(f"{path} does not exist; expected {expects}.")
    if not path.is_dir():
        return
    if path.resolve().parent == path.resolve():
        raise UserError(f"{path} is the whole file system; expected {expects}.")
    try:
        os.scandir(path).close()
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(folder: str | Path, error: OSError) -> UserError:
    """Return the error for a folder that cannot be listed."""
    return UserError(
        f"The folder {os.fspath(folder)} cannot be read ({error.strerror}); make it readable, or give a folder "
        "without it."
    )
