"""Errors that are the user's to mend: one sentence, exit code 2, no traceback."""

from __future__ import annotations


class UserError(Exception):
    """The caller asked for something that cannot be; the message is one sentence that says what to do."""


class OutputClosed(BaseException):
    """Whoever read the output has gone, as `| head` does: the run ends. No cell's failure, hence no `Exception`."""


def one_line(text: str) -> str:
    """Return `text` in one line of printable characters: what data or plugins wrote must not steer a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
