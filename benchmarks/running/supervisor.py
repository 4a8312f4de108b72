"""A run in a process of its own, and a small one that watches it: a death costs the job at work one retry, no more.

The watcher forks before anything heavy is imported and then only waits. The worker tells it through a pipe which job
it is at; when it dies by a signal, or a job outlasts its time, the watcher notes the attempt and starts another
worker, which goes on from the checkpoints. Where the watcher dies, the worker ends too.
"""

from __future__ import annotations

import contextlib
import dataclasses
import faulthandler
import json
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from benchmarks.running import attempts

INTERRUPTED = 130
STACK_SECONDS = 1.0  # for a process that hangs to write down where

_pipe: int | None = None  # in a worker: where it tells what it is at
restarted = False  # in a worker: whether one before it died
_interrupted = False  # in a worker: whether it was told to stop


@dataclasses.dataclass
class _AtWork:
    """What the worker said last: the job it is at (`work` is None: at none), since when, how long that may take."""

    work: Path | None = None
    job: str = ""
    what: str = ""
    since: float = 0.0
    timeout: float | None = None

    def left(self) -> float | None:
        """Return the seconds that the job has left, None for no limit."""
        return self.since + self.timeout - time.monotonic() if self.timeout else None


def tell(work: Path, job: str, what: str = "", timeout: float | None = None) -> None:
    """Tell the watcher, where there is one, that this process is at `job` from now on ("": at none).

    `what` names the job for people; after `timeout` seconds in it the process is killed and the job given up.
    """
    if _pipe is not None:
        line = json.dumps({"work": str(work), "job": job, "what": what, "timeout": timeout})
        with contextlib.suppress(OSError):
            os.write(_pipe, line.encode() + b"\n")


def stop_if_interrupted() -> None:
    """Raise KeyboardInterrupt where this process was told to stop and goes on: a library's `except:` swallows one."""
    if _interrupted:
        raise KeyboardInterrupt


def supervise(run: Callable[[], int]) -> int:
    """Call `run` in a forked process, again where that dies, and return its exit code."""
    global restarted
    without_a_job = 0
    while True:
        worker = _Worker()
        if not worker.pid:
            worker.become(run)
        code = worker.wait()
        if code >= 0:
            return code
        if worker.interrupted:
            if code != -signal.SIGINT:  # Python ends so where it was interrupted in an `exec`, after all was said
                print("\nended; what was finished is kept, and the same command goes on.", file=sys.stderr, flush=True)
            return INTERRUPTED
        if worker.at.work is None:
            without_a_job += 1
            print(f"\nthe run's process was killed by {_name(-code)} outside of any job.", file=sys.stderr, flush=True)
            if without_a_job >= attempts.MOST:
                return 1
        else:
            _note(worker.at, worker.at.work, code, worker.hung)
        restarted = True


class _Worker:
    """One worker process as its watcher sees it, from the fork to its end; `pid` is 0 in the worker itself."""

    def __init__(self) -> None:
        self.at, self.interrupted, self.hung = _AtWork(), False, False
        self.pid, self._heard = 0, b""
        self._told, self._tell = os.pipe()
        self._alive, self._watching = os.pipe()  # closes when the watcher ends, however it ends
        handled = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        # what a shell's background job ignores stays ignored
        self._before = {number: handler for number, handler in handled.items() if handler != signal.SIG_IGN}
        for number in self._before:
            signal.signal(number, self._pass_on)
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid:
            os.close(self._tell)
            os.close(self._alive)
            if self.interrupted:  # it came before there was anyone to pass it on to
                os.kill(self.pid, signal.SIGTERM)

    def become(self, run: Callable[[], int]) -> NoReturn:
        """Be the worker: run, and end with its exit code."""
        global _pipe
        os.close(self._told)
        os.close(self._watching)
        _pipe = self._tell
        for number in self._before:
            signal.signal(number, _interrupt)
        sys.unraisablehook = _swallowed
        threading.Thread(target=_end_with, args=(self._alive,), daemon=True).start()
        sys.exit(run())

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        """Pass an interrupt on as SIGTERM, which a worker that heard the terminal's own Ctrl-C ignores.

        A second one kills the worker: it may hang in a library's code, where it hears nothing, and no file is torn.
        """
        passed = signal.SIGKILL if self.interrupted else signal.SIGTERM
        self.interrupted = True
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, passed)

    def wait(self) -> int:
        """Wait until the worker ends; return its exit code, or minus the signal that killed it."""
        try:
            while self._listen():
                left = self.at.left()
                if left is not None and left <= 0 and not self.hung:
                    self._kill()
            _, status = os.waitpid(self.pid, 0)
            return os.waitstatus_to_exitcode(status)
        finally:
            os.close(self._told)
            os.close(self._watching)
            for number, handler in self._before.items():
                signal.signal(number, handler)

    def _listen(self) -> bool:
        """Wait for the worker's next word or the end of a job's time; return False where it has ended."""
        left = None if self.hung else self.at.left()
        if not select.select([self._told], [], [], None if left is None else max(0.0, left))[0]:
            return True
        heard = os.read(self._told, 65536)
        *lines, self._heard = (self._heard + heard).split(b"\n")
        for line in lines if not self.hung else ():  # what it says while it is ended comes too late
            said: dict[str, Any] = json.loads(line)
            at = _AtWork(Path(said["work"]), said["job"], said["what"], time.monotonic(), said["timeout"])
            self.at = at if at.job else _AtWork()
        return bool(heard)

    def _kill(self) -> None:
        """Let the worker write down where it hangs, then end it."""
        self.hung = True
        os.kill(self.pid, signal.SIGUSR1)
        time.sleep(STACK_SECONDS)
        os.kill(self.pid, signal.SIGKILL)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Stop once: a Ctrl-C that the watcher passes on after the terminal's own is the same one."""
    global _interrupted
    _interrupted = True
    signal.signal(signal.SIGTERM, lambda *_: None)  # SIG_IGN would make Python complain of one that is under way
    signal.signal(signal.SIGINT, signal.default_int_handler)
    raise KeyboardInterrupt


def _swallowed(what: sys.UnraisableHookArgs) -> None:
    """Say nothing of an interrupt that came where none can be raised; `stop_if_interrupted` makes up for it."""
    if not issubclass(what.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(what)


def _end_with(alive: int) -> None:
    """End this process when the watcher is gone: nobody would count its jobs or stop it."""
    with contextlib.suppress(OSError):
        os.read(alive, 1)
    os.kill(os.getpid(), signal.SIGKILL)


def stacks(work: Path) -> Path:
    """Return the file into which a worker that hangs or crashes writes where it stood."""
    return work / "stacks.txt"


def write_stacks(work: Path) -> None:
    """From now on, write this process's stacks to `stacks(work)` when it crashes or the watcher asks for them."""
    if _pipe is None:
        return
    work.mkdir(parents=True, exist_ok=True)
    file = open(stacks(work), "w")  # noqa: SIM115 - it must stay open for as long as the process lives
    faulthandler.enable(file)
    faulthandler.register(signal.SIGUSR1, file)


def _note(at: _AtWork, work: Path, code: int, hung: bool) -> None:
    """Note the attempt that just ended, and say what comes next."""
    reason = f"it took longer than {at.timeout:g} s" if hung else f"its process was killed by {_name(-code)}"
    try:
        trace = stacks(work).read_text(encoding="utf-8", errors="replace")
    except OSError:
        trace = ""
    noted = attempts.note(work, at.job, reason, final=hung, traceback=trace)
    print(f"\n{at.what}: {reason}; {noted.then}.", file=sys.stderr, flush=True)


def _name(number: int) -> str:
    """Return a signal's name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
