"""`python -m benchmarks` in a process of its own, as users start it or forked from one that has everything imported."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TextIO

from filelock import FileLock

import benchmarks

SUITE = """
title = "Tiny"
dataset = "digits"
head_classes = 5
backbones = ["test_resnet"]
strategies = ["none", "loss-weights", "oversample"]

[recipe]
image_size = 16
batch_size = 32
precision = "float32"
{recipe}

[recipe.epochs]
head = {epochs}
tail = {epochs}
all = {epochs}
"""


def write_suite(folder: Path, epochs: int = 1, recipe: str = "") -> Path:
    """Write a suite file of three quick cells on the digits, and return its path."""
    path = folder / "tiny.toml"
    path.write_text(SUITE.format(epochs=epochs, recipe=recipe))
    return path


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "benchmarks", *map(str, arguments)]


def environment() -> dict[str, str]:
    """Return this process's environment, in which the package that is tested here is found, and one thread is used."""
    place = str(Path(benchmarks.__file__).parent.parent)
    return {**os.environ, "PYTHONPATH": place, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}


@functools.cache
def _warm() -> tuple[TextIO, object]:
    """Return a connection to the process that forks commands (see `warm.py`), and what keeps that process alive.

    The first of a test session's processes that asks starts it, for all of them.
    """
    session = os.environ.get("PYTEST_XDIST_TESTRUNUID", os.getpid())
    folder, started = Path(tempfile.gettempdir(), f"benchmarks-tests-{session}"), None
    folder.mkdir(exist_ok=True)
    path, connection = str(folder / "warm"), socket.socket(socket.AF_UNIX)
    with FileLock(folder / "lock"):
        try:
            connection.connect(path)
        except OSError:
            Path(path).unlink(missing_ok=True)
            command = [sys.executable, "-P", str(Path(__file__).with_name("warm.py")), path]
            started = subprocess.Popen(command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            assert started.stdout is not None and started.stdout.readline() == b"listening\n"
            connection.connect(path)
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return connection.makefile("rw"), (connection, started)


def _ask(question: object) -> int:
    """Write a line to the warm process and return the number that it answers."""
    warm, _ = _warm()
    print(json.dumps(question), file=warm, flush=True)
    answer = warm.readline()
    assert answer, "the warm process has ended; its last words are among pytest's errors"
    return int(answer)


class Started:
    """`python -m benchmarks ARGUMENTS`, or a script and its arguments, at work in `folder`: a fork of the warm process.

    `listen`: its output comes through a pipe that `hear` reads while it runs, and not through a file. `path`: a folder
    that it imports from, before the others.
    """

    def __init__(self, folder: Path, *arguments: object, listen: bool = False, path: Path | None = None) -> None:
        self._place = tempfile.TemporaryDirectory()
        output, self._errors = (Path(self._place.name) / name for name in ("output", "errors"))
        if listen:
            os.mkfifo(output)
        place = environment()
        place["PYTHONPATH"] = os.pathsep.join(map(str, filter(None, (path, place["PYTHONPATH"]))))
        self.pid = _ask([list(map(str, arguments)), str(folder), place, str(output), str(self._errors)])
        self._said = ""
        self._output = output.open(encoding="utf-8") if listen else None
        self._file = output

    def hear(self, words: str) -> None:
        """Return once it has printed a line with `words`; AssertionError if it ends without one."""
        assert self._output is not None, "start it with listen=True"
        for line in self._output:
            self._said += line
            if words in line:
                return
        raise AssertionError(f"it never said {words!r}: {self._said}")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens where it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def end(self) -> subprocess.CompletedProcess[str]:
        """Wait for its end; the exit code is minus the signal that killed it."""
        if self._output is not None:
            with self._output as output:
                self._said += output.read()
        code = os.waitstatus_to_exitcode(_ask(self.pid))
        said = self._said if self._output is not None else self._file.read_text(encoding="utf-8")
        errors = self._errors.read_text(encoding="utf-8")
        self._place.cleanup()
        return subprocess.CompletedProcess([], code, said, errors)


def bench(folder: Path, *arguments: object, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `python -m benchmarks ARGUMENTS` in `folder` to its end; it imports from `path` first."""
    return Started(folder, *arguments, path=path).end()


def script(folder: Path, code: str, *arguments: object, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python `code` in `folder` to its end, as `bench` runs a command."""
    file = folder / "script.py"
    file.write_text(code)
    return Started(folder, file, *arguments, path=path).end()


def interrupted(folder: Path, number: signal.Signals, heard: str, *arguments: object) -> tuple[int, str, str]:
    """Start a command, send the signal once it has printed a line with `heard`; return exit code, output, errors."""
    run = Started(folder, *arguments, listen=True)
    run.hear(heard)
    run.send(number)
    done = run.end()
    return done.returncode, done.stdout, done.stderr
