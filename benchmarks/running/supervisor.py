"""Run in a child process and restart it if it dies: a crash costs only one attempt at the current job.

The supervisor forks before anything heavy is imported and then only waits. The worker tells it through a pipe which job
it works on (`supervised.py`); if it dies by a signal, or a job takes too long, the supervisor notes the attempt and
forks another worker, which continues from the checkpoints. If the supervisor dies, the worker ends too.
"""

from __future__ import annotations

import contextlib
import dataclasses
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

from benchmarks.running.attempts import MOST, AttemptLog
from benchmarks.running.supervised import STACK_SECONDS, Supervised, read_stacks, signal_name, stacks

INTERRUPTED = 130


@dataclasses.dataclass
class _AtWork:
    """The worker's last message: its job (none if `work` is None), the job's start time and time limit.

    `reason`: why the worker is about to kill itself.
    """

    work: Path | None = None
    job: str = ""
    what: str = ""
    since: float = 0.0
    timeout: float | None = None
    reason: str = ""

    def left(self) -> float | None:
        """Return the seconds that the job has left, None without a limit."""
        return self.since + self.timeout - time.monotonic() if self.timeout else None


def supervise(run: Callable[[Supervised], int]) -> int:
    """Call `run` in a forked process, restart it if it dies, and return its exit code."""
    without_a_job, restarted, log = 0, False, AttemptLog()
    while True:
        worker = _Worker()
        if not worker.pid:
            worker.become(run, restarted, log)
        code = worker.wait()
        if code >= 0:
            return code
        if worker.interrupted:
            if code != -signal.SIGINT:  # if an `exec` was interrupted, Python prints a message and dies by SIGINT
                print("\nended; finished work is kept, and the same command continues it.", file=sys.stderr, flush=True)
            return INTERRUPTED
        if worker.at.work is None:
            without_a_job += 1
            print(
                f"\nthe run's process was killed by {signal_name(-code)} outside of any job.",
                file=sys.stderr,
                flush=True,
            )
            if without_a_job >= MOST:
                return 1
        else:
            _note(log, worker.at, worker.at.work, code, worker.hung)
        restarted = True


class _Worker:
    """One worker process as its supervisor sees it, from the fork to its end; `pid` is 0 in the worker itself."""

    def __init__(self) -> None:
        self.at, self.interrupted, self.hung = _AtWork(), False, False
        self.pid, self._heard = 0, b""
        self._told, self._tell = os.pipe()
        self._alive, self._watching = os.pipe()  # closes when the supervisor ends, however it ends
        handled = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        # signals that a shell's background job ignores stay ignored
        self._before = {number: handler for number, handler in handled.items() if handler != signal.SIG_IGN}
        for number in self._before:
            signal.signal(number, self._pass_on)
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid:
            os.close(self._tell)
            os.close(self._alive)
            if self.interrupted:  # by a signal before the worker existed
                os.kill(self.pid, signal.SIGTERM)

    def become(self, run: Callable[[Supervised], int], restarted: bool, log: AttemptLog) -> NoReturn:
        """In the worker process: call `run` and exit with its code."""
        os.close(self._told)
        os.close(self._watching)
        try:
            supervised = Supervised(self._tell, restarted=restarted, attempts=log)
            supervised.hear(self._before)
            if self.interrupted:  # since the fork
                raise KeyboardInterrupt
            threading.Thread(target=_end_with, args=(self._alive,), daemon=True).start()
            code = run(supervised)
        except KeyboardInterrupt:  # before `run` handles it
            code = INTERRUPTED
        sys.exit(code)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        """Forward an interrupt as SIGTERM, which the worker ignores if it has already received the terminal's Ctrl-C.

        A second one kills the worker, which may hang in native code. Files are written atomically.
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
        """Wait for the worker's next message or its job's timeout; return False if the worker has exited."""
        left = None if self.hung else self.at.left()
        if not select.select([self._told], [], [], None if left is None else max(0.0, left))[0]:
            return True
        heard = os.read(self._told, 65536)
        *lines, self._heard = (self._heard + heard).split(b"\n")
        for line in lines if not self.hung else ():  # a worker that is being killed may still send some
            said: dict[str, Any] = json.loads(line)
            job, what, timeout, reason = said["job"], said["what"], said["timeout"], said["reason"]
            self.at = _AtWork(Path(said["work"]), job, what, time.monotonic(), timeout, reason) if job else _AtWork()
        return bool(heard)

    def _kill(self) -> None:
        """Let the worker write its stacks, then kill it."""
        self.hung = True
        os.kill(self.pid, signal.SIGUSR1)
        time.sleep(STACK_SECONDS)
        os.kill(self.pid, signal.SIGKILL)


def _end_with(alive: int) -> None:
    """Kill this process once the supervisor has died: nothing else would count its attempts or stop it."""
    with contextlib.suppress(OSError):
        os.read(alive, 1)
    os.kill(os.getpid(), signal.SIGKILL)


def _note(log: AttemptLog, at: _AtWork, work: Path, code: int, hung: bool) -> None:
    """Note the attempt that just failed, and print what happens next."""
    killed = at.reason or f"its process was killed by {signal_name(-code)}"
    reason = f"it took longer than {at.timeout:g} s" if hung else killed
    noted = log.note(work, at.job, reason, final=hung, traceback=read_stacks(stacks(work)))
    print(f"\n{at.what}: {reason}; {noted.then}.", file=sys.stderr, flush=True)
