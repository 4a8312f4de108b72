"""A process that has everything imported and forks `python -m benchmarks` when asked, so that a start costs little.

One serves all processes of a test session, each through a fork of its own. It starts no thread before it forks: the
children are as sound as processes of their own.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.backends.backend_svg
import matplotlib.style  # noqa: F401
import sklearn.datasets
import sklearn.metrics  # noqa: F401
import tabulate  # noqa: F401
import timm  # noqa: F401
import typer  # noqa: F401

MOST_SECONDS = 300  # for a command
PACKAGES = ("backbones", "strategies", "benchmarks")

# as `benchmarks.training.batching.augment` does: the import otherwise calls the network
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
importlib.import_module("albumentations")


def import_project() -> None:
    """Import every module of the project but those for Ray; what is found at a start stays to be found."""
    for package in map(importlib.import_module, PACKAGES):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not {"__main__", "ray"} & set(module.name.split(".")):
                with contextlib.suppress(ImportError):
                    importlib.import_module(module.name)


def forget_project() -> None:
    """Let the project's modules be imported again."""
    for name in [name for name in sys.modules if name.partition(".")[0] in PACKAGES]:
        del sys.modules[name]


def become(arguments: Sequence[str], folder: str, environment: Mapping[str, str], out: str, errors: str) -> None:
    """Be `python -m benchmarks ARGUMENTS` in `folder`, with output and errors written to these files.

    Where the first argument is a Python file, be that script.
    """
    for handle, path, flags in ((0, os.devnull, os.O_RDONLY), (1, out, os.O_WRONLY), (2, errors, os.O_WRONLY)):
        os.dup2(os.open(path, flags | os.O_CREAT), handle)
    # a shell's background jobs ignore it, and so do their children
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = [place for place in environment["PYTHONPATH"].split(os.pathsep) if place not in sys.path]
    first = next(place for place in sys.path if Path(place, "benchmarks", "__init__.py").is_file())
    if not Path(first, "benchmarks").samefile(sys.modules["benchmarks"].__path__[0]):
        forget_project()  # a copy comes first
    script = arguments[0] if arguments and arguments[0].endswith(".py") else None
    sys.argv[1:] = arguments[1:] if script else arguments
    signal.alarm(MOST_SECONDS)
    try:
        if script is None:
            runpy.run_module("benchmarks", run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(script, run_name="__main__")
        raise SystemExit
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else 0)  # taking all that is imported apart takes a second


def serve() -> None:
    """Answer a line that holds `become`'s arguments with the child's number, and such a number with its wait status."""
    for line in sys.stdin:
        asked = json.loads(line)
        if isinstance(asked, int):
            print(os.waitpid(asked, 0)[1], flush=True)
            continue
        pid = os.fork()
        if not pid:
            return become(*asked)
        print(pid, flush=True)
    os._exit(0)  # what is frozen would be reported as leaked


def listen(path: str) -> None:
    """Serve each connection to the socket `path` in a fork, until stdin is closed; say when the socket is there."""
    import_project()
    gc.freeze()  # nothing that is imported is garbage: no child goes through it
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for these forks
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("listening", flush=True)
        while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            if not os.fork():
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listener.close()
                os.dup2(connection.fileno(), 0)
                os.dup2(connection.fileno(), 1)
                connection.close()
                return serve()
            connection.close()
    os._exit(0)


if __name__ == "__main__":
    listen(*sys.argv[1:])
