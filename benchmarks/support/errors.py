"""Errors that the user can fix: one sentence, exit code 2, no traceback."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path


class UserError(Exception):
    """A mistake that the user can fix; the message is one sentence that says what to do."""


class OutputClosed(BaseException):
    """stdout was closed (`| head`), which ends the run; not an `Exception`, because no cell has failed."""


def one_line(text: str) -> str:
    """Return `text` in one line of printable characters: data and plugins must not send control codes to a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message without a full stop, its type's name if it has no message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def missing_library(error: ImportError) -> str | None:
    """Return the message for a library that is not installed, None if the missing module is this project's own."""
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return None
    if error.name.partition(".")[0] in ("backbones", "benchmarks", "strategies"):
        return None
    checkout = Path(__file__).resolve().parents[2]
    wanted = ["-e", str(checkout)] if (checkout / "pyproject.toml").is_file() else ["imbalance-benchmarks"]
    command = shlex.join([sys.executable, "-m", "pip", "install", *wanted])
    return f"{sys.executable} has no module {error.name!r}; install what this project needs with `{command}`."
