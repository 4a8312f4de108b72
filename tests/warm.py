"""A process that has imported everything and forks a run for each line on its input, so that a start costs little.

It starts no thread before it forks: the children are as sound as processes of their own.
"""

from __future__ import annotations

import importlib
import json
import os
import sys

import sklearn.datasets  # noqa: F401
import tabulate  # noqa: F401
import timm  # noqa: F401

import benchmarks.augment
import benchmarks.display
import benchmarks.execute.local
import benchmarks.leaderboard.files
import benchmarks.session  # noqa: F401
from benchmarks.cli import main

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # as `benchmarks.augment` does: the import otherwise calls the network
importlib.import_module("albumentations")


def serve() -> None:
    """Per line, a JSON list of arguments: print the child's process id, and when it has ended its wait status."""
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            for handle in (0, 1):
                os.dup2(os.open(os.devnull, os.O_RDWR), handle)
            os._exit(main(json.loads(line)))
        print(pid, flush=True)
        print(os.waitpid(pid, 0)[1], flush=True)


if __name__ == "__main__":
    serve()
