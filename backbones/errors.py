"""What goes wrong with a backbone and is the user's to mend."""

from __future__ import annotations


class BackboneError(ValueError):
    """A backbone that is unknown, or cannot be built as asked; the message is one sentence that says what to do."""
