"""`python -m benchmarks`, and the installed command `imbalance-benchmarks`."""

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


def start() -> NoReturn:
    """Run the command in `sys.argv` and exit with its code; `run` runs in a supervised child process."""
    if not sys.warnoptions:  # warnings of one library about another are no help to users
        warnings.simplefilter("ignore", FutureWarning)
    if sys.argv[1:2] == ["run"]:
        from benchmarks.running.supervisor import supervise

        sys.exit(supervise(lambda supervised: main(supervised=supervised)))
    signal.signal(signal.SIGTERM, _stop)
    sys.exit(main())


if __name__ == "__main__":
    start()
