"""`python -m benchmarks` as users start it: a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
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


def bench(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `python -m benchmarks ARGUMENTS` in `folder` to its end."""
    return subprocess.run(
        command(*arguments), cwd=folder, env=environment(), capture_output=True, text=True, timeout=300
    )


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
