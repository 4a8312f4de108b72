"""`python -m benchmarks`."""

from __future__ import annotations

import signal
import sys
import warnings
from types import FrameType
from typing import NoReturn

from benchmarks.cli import main


def _stop(signum: int, frame: FrameType | None) -> NoReturn:
    """Treat SIGTERM like Ctrl-C."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    if not sys.warnoptions:  # what a library says about another one's code is nothing a user can mend
        warnings.simplefilter("ignore", FutureWarning)
    if sys.argv[1:2] == ["run"]:
        from benchmarks.running.supervisor import supervise

        sys.exit(supervise(main))
    signal.signal(signal.SIGTERM, _stop)
    sys.exit(main())
