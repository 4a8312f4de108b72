"""Errors that are the user's to mend: one sentence, exit code 2, no traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """The caller asked for something that cannot be; the message is one sentence that says what to do."""


class OutputClosed(BaseException):
    """Whoever read the output has gone, as `| head` does: the run ends. No cell's failure, hence no `Exception`."""


def one_line(text: str) -> str:
    """Return `text` in one line of printable characters: what data or plugins wrote must not steer a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def nearest(word: str, known: Iterable[str], most: int = 3) -> str:
    """Return `" (did you mean 'a' or 'b'?)"` for the known words nearest to `word`, or an empty string."""
    close = difflib.get_close_matches(word, list(known), n=most, cutoff=0.5)
    return f" (did you mean {' or '.join(repr(c) for c in close)}?)" if close else ""
