"""Errors about backbones that the user can fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BackboneError(ValueError):
    """An unknown backbone, or one that cannot be built as asked; the message is one sentence that says what to do."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `" (did you mean 'a' or 'b'?)"` for the known words nearest to `word`, or an empty string."""
    close = difflib.get_close_matches(word, list(dict.fromkeys(known)), n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(map(repr, close))}?)" if close else ""
