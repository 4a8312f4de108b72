"""`python -m benchmarks`, and the installed command `imbalance-benchmarks`. Imports nothing heavy before it starts."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import warnings

TYPE_CHECKING = False  # see `benchmarks`
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import NoReturn

INTERRUPTED = 130


def start() -> NoReturn:
    """Run the command in `sys.argv` and exit with its code; those that train run in a supervised child process."""
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:  # until `main` handles it, there is no work to save and no message to print
        signal.signal(signal.SIGINT, _leave)
    _open_streams()
    if sys.version_info < (3, 11):  # noqa: UP036 - a checkout is started with any Python
        sys.exit(f"error: Python 3.11 or newer is needed, and {sys.executable} is {sys.version.split()[0]}.")
    if not sys.warnoptions:  # warnings of one library about another do not help users
        warnings.simplefilter("ignore", FutureWarning)
    main = _main()
    if sys.argv[1:2] in (["run"], ["recommend"], ["tune"]):
        from benchmarks.running.supervisor import supervise

        sys.exit(supervise(lambda supervised: main(supervised=supervised)))
    signal.signal(signal.SIGTERM, _stop)
    sys.unraisablehook = _unraisable
    if interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    code = main()
    if code == INTERRUPTED:  # if an `exec` was interrupted, Python would kill itself by the signal instead
        _leave()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # only the teardown of the process is left
    sys.exit(code)


def _main() -> Callable[..., int]:
    """Return the CLI's `main`; exit with a one-line error if a library is not installed."""
    try:
        from benchmarks.cli import main
    except ModuleNotFoundError as error:
        from benchmarks.support.errors import missing_library

        sentence = missing_library(error)
        if sentence is None:
            raise
        print(f"error: {sentence}", file=sys.stderr)
        sys.exit(2)
    return main


def _leave(*_: object) -> NoReturn:
    """Exit immediately, without a traceback if an import was interrupted."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    os._exit(INTERRUPTED)


def _unraisable(what: sys.UnraisableHookArgs) -> None:
    """Exit on an interrupt that cannot be raised where it arrives, such as in a callback of the import system."""
    if issubclass(what.exc_type, KeyboardInterrupt):
        _leave()
    sys.__unraisablehook__(what)


def _stop(signum: int, frame: FrameType | None) -> NoReturn:
    """Treat SIGTERM like Ctrl-C."""
    raise KeyboardInterrupt


def _open_streams() -> None:
    """Redirect closed standard streams to the null device; make open ones escape characters they cannot encode."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed by `>&-`: the next file opened would get this descriptor, and receive the output
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - open until the process ends
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    start()
