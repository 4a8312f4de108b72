"""The process of a run: its messages to the supervisor, and whether it was interrupted. Imports no torch."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

from benchmarks.running.attempts import AttemptLog

STACK_SECONDS = 1.0  # time for a hung process to write its stacks


def stacks(work: Path) -> Path:
    """Return the file into which a worker that hangs or crashes writes its stacks."""
    return work / "stacks.txt"


def write_stacks(path: Path) -> IO[str]:
    """From now on, write this process's stacks to the file if it crashes or gets SIGUSR1; return the open file."""
    file = open(path, "w")  # noqa: SIM115 - open until the process ends
    faulthandler.enable(file)
    faulthandler.register(signal.SIGUSR1, file)
    return file


def read_stacks(path: Path) -> str:
    """Return the stacks that a process wrote to the file, "" without any."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def signal_name(number: int) -> str:
    """Return a signal's name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class Supervised:
    """The process of a run; without arguments, one without a supervisor.

    `restarted`: an earlier worker of this run died. `attempts`: the failed attempts at its jobs.
    """

    def __init__(self, pipe: int | None = None, *, restarted: bool = False, attempts: AttemptLog | None = None) -> None:
        """Tell the supervisor through the file descriptor `pipe`."""
        self.restarted, self.attempts = restarted, attempts or AttemptLog()
        self._pipe, self._interrupted = pipe, False
        self._stacks: IO[str] | None = None  # open until the process ends

    def tell(self, work: Path, job: str, what: str = "", timeout: float | None = None, reason: str = "") -> None:
        """Tell the supervisor that this process works on `job` from now on ("": on none).

        `what`: the job's name for messages. After `timeout` seconds in it the process is killed and the job given up.
        `reason`: why the process is about to kill itself.
        """
        if self._pipe is not None:
            line = json.dumps({"work": str(work), "job": job, "what": what, "timeout": timeout, "reason": reason})
            with contextlib.suppress(OSError):
                os.write(self._pipe, line.encode() + b"\n")

    def end_for_another(self, work: Path, job: str, what: str, reason: str, traceback: str) -> None:
        """Kill this process, so that the supervisor notes a failed attempt at `job` and starts another process.

        Returns if no supervisor watches this process. Skips the libraries' clean-up, which could hang.
        """
        if self._pipe is None:
            return
        self.tell(work, job, what, reason=reason)
        if self._stacks is not None:
            self._stacks.write(traceback)
            self._stacks.flush()
        sys.stdout.flush()
        sys.stderr.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    def write_stacks(self, work: Path) -> None:
        """From now on, write this process's stacks to `stacks(work)` if it crashes or the supervisor asks for them."""
        if self._pipe is None:
            return
        work.mkdir(parents=True, exist_ok=True)
        self._stacks = write_stacks(stacks(work))

    def leave(self) -> None:
        """Close the supervisor's pipe, as every fork must: the supervisor waits until all its write ends are closed."""
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None

    def hear(self, signals: Iterable[int]) -> None:
        """Treat each of these signals as an interrupt."""
        for number in signals:
            signal.signal(number, self._interrupt)
        sys.unraisablehook = _unraisable

    def stop_if_interrupted(self) -> None:
        """Raise KeyboardInterrupt if this process was interrupted before: a library's `except:` may swallow one."""
        if self._interrupted:
            raise KeyboardInterrupt

    def _interrupt(self, number: int, frame: FrameType | None) -> NoReturn:
        """Stop once: the supervisor also passes on a Ctrl-C that the terminal has sent to this process."""
        self._interrupted = True
        signal.signal(signal.SIGTERM, lambda *_: None)  # with SIG_IGN Python complains about a pending signal
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise KeyboardInterrupt


def _unraisable(what: sys.UnraisableHookArgs) -> None:
    """Ignore an interrupt that cannot be raised where it arrives; `stop_if_interrupted` raises it later."""
    if not issubclass(what.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(what)
