"""The start of a command as a process: streams that are closed or know few letters, interrupts, missing libraries."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.process import command, environment, script, write_suite

HOSTILE = "été 🐦"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Return a folder of ten images of two classes, one with a name that ASCII lacks."""
    for label in (HOSTILE, "plain"):
        (tmp_path / "images" / label).mkdir(parents=True)
        for i in range(5):
            picture = np.random.default_rng(i).integers(0, 256, (8, 8, 3), dtype=np.uint8)
            cv2.imwrite(str(tmp_path / "images" / label / f"{i}.png"), picture)
    return tmp_path / "images"


def shell(folder: Path, line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", line], cwd=folder, env=environment() | variables, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_letters_that_the_output_lacks_are_escaped(images: Path, encoding: str) -> None:
    asked = command("data", "info", "--data", images, "--per-class", "--head-classes", 1)
    done = subprocess.run(asked, env=environment() | {"PYTHONIOENCODING": encoding}, capture_output=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")
    assert HOSTILE.encode(encoding, "backslashreplace") in done.stdout


def test_letters_that_the_error_lacks_are_escaped(tmp_path: Path) -> None:
    done = shell(tmp_path, shlex.join(command("suite", "show", HOSTILE)), PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: no suite {HOSTILE!r}".encode("ascii", "backslashreplace").decode())


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_streams(tmp_path: Path, closed: str) -> None:
    done = shell(tmp_path, f"{shlex.join(command('list', 'suites'))} {closed}")
    assert (done.returncode, done.stderr) == (0, "")
    assert bool(done.stdout) == (">&-" not in closed.split())


CLOSED = """
import os, runpy, sys
for number in (0, 1):
    os.close(number)
sys.stdin = sys.stdout = None  # as Python finds them closed
runpy.run_module("benchmarks", run_name="__main__", alter_sys=True)
"""


def test_a_run_with_closed_streams_trains(tmp_path: Path) -> None:
    asked = ["run", "--suite", write_suite(tmp_path), "--strategy", "none", "--device", "cpu", "--out", "out"]
    done = script(tmp_path, CLOSED, *asked)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(list(tmp_path.glob("out/tiny/records/*/*.json"))) == 1


INTERRUPTED = """
import importlib.abc, os, runpy, signal, sys

class Interrupts(importlib.abc.MetaPathFinder):
    def find_spec(self, name, *_):
        if name == at:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
at = sys.argv.pop(1)
sys.meta_path.insert(0, Interrupts())
runpy.run_module("benchmarks", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("at", ["benchmarks.cli", "typer", "benchmarks.support.errors"])
@pytest.mark.parametrize("arguments", ["list suites", "run --all"])
def test_an_interrupt_while_a_command_starts_is_no_traceback(tmp_path: Path, arguments: str, at: str) -> None:
    asked = [sys.executable, "-c", INTERRUPTED, at, *arguments.split()]
    done = subprocess.run(asked, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_little_is_imported_before_interrupts_are_handled() -> None:
    code = "import sys; before = {*sys.modules}; import benchmarks.__main__; print(*{*sys.modules} - before)"
    done = subprocess.run([sys.executable, "-S", "-c", code], env=environment(), capture_output=True, text=True)
    imported = {name.partition(".")[0] for name in done.stdout.split()}
    assert "benchmarks" in imported and not imported & {"typing", "re", "pathlib"}


@pytest.mark.parametrize("at", ["tabulate", "strategies.registry"])
def test_an_interrupt_while_a_command_imports_says_how_to_go_on(tmp_path: Path, at: str) -> None:
    asked = [sys.executable, "-c", INTERRUPTED, at, "list", "suites"]
    done = subprocess.run(asked, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "\ninterrupted; finished work is kept. To continue: python -m benchmarks list suites\n"


@pytest.mark.parametrize("lacking", ["typer", "tabulate"])  # one that every command needs, one that is imported later
def test_a_python_without_the_libraries_says_how_to_install_them(tmp_path: Path, lacking: str) -> None:
    (tmp_path / f"{lacking}.py").write_text(f"raise ModuleNotFoundError('No module', name={lacking!r})\n")
    place = environment()
    place["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{place['PYTHONPATH']}"
    done = subprocess.run(command("list", "suites"), env=place, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {sys.executable} has no module {lacking!r}; install what this project needs")
    assert done.stderr.count("\n") == 1 and f"{sys.executable} -m pip install " in done.stderr
