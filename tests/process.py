"""`python -m benchmarks` in a process of its own, as users start it or forked from one that has everything imported."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

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
def _warm() -> subprocess.Popen[str]:
    """Return the process that forks commands (see `warm.py`); it ends with this one."""
    script = Path(__file__).with_name("warm.py")
    return subprocess.Popen(
        [sys.executable, "-P", script], env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _ask(question: object) -> int:
    """Write a line to the warm process and return the number that it answers."""
    warm = _warm()
    assert warm.stdin is not None and warm.stdout is not None
    warm.stdin.write(json.dumps(question) + "\n")
    warm.stdin.flush()
    answer = warm.stdout.readline()
    assert answer, "the warm process has ended; what it said stands among pytest's errors"
    return int(answer)


class Started:
    """`python -m benchmarks ARGUMENTS` at work in `folder`, forked from the warm process."""

    def __init__(self, folder: Path, *arguments: object) -> None:
        self._said = [tempfile.NamedTemporaryFile("r", encoding="utf-8") for _ in range(2)]  # noqa: SIM115
        paths = [file.name for file in self._said]
        self.pid = _ask([list(map(str, arguments)), str(folder), environment(), *paths])

    def end(self) -> subprocess.CompletedProcess[str]:
        """Wait for its end; the exit code is minus the signal that killed it."""
        code = os.waitstatus_to_exitcode(_ask(self.pid))
        output, errors = [file.read() for file in self._said]
        return subprocess.CompletedProcess([], code, output, errors)


def bench(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `python -m benchmarks ARGUMENTS` in `folder` to its end."""
    return Started(folder, *arguments).end()


def hear_interrupts() -> None:
    """Undo what a shell does to its background jobs, and what they hand on to their children: SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupted(folder: Path, number: signal.Signals, heard: str, *arguments: object) -> tuple[int, str, str]:
    """Start a command, send the signal once it has printed a line with `heard`; return exit code, output, errors."""
    with subprocess.Popen(
        command(*arguments), cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=hear_interrupts,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if heard in line:
                process.send_signal(number)
                break
        out, errors = process.communicate(timeout=120)
    return process.returncode, "".join(said) + out, errors
