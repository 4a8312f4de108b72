"""Errors that the user can fix: one sentence, exit code 2, no traceback."""

from __future__ import annotations


class UserError(Exception):
    """The caller asked for something that cannot be; the message is one sentence that says what to do."""


class OutputClosed(BaseException):
    """stdout was closed (`| head`), which ends the run; no `Exception`, because no cell has failed."""


def one_line(text: str) -> str:
    """Return `text` in one line of printable characters: what data or plugins wrote must not steer a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
