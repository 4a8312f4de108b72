"""Checks before anything is loaded: that one network can represent the strategy, the libraries, the target."""

from __future__ import annotations

from pathlib import Path

from benchmarks.support.errors import UserError
from benchmarks.tools.export.model import INSTALL
from benchmarks.training.stored.extractor import missing
from strategies.base import Strategy


def require_one_network(strategy: Strategy) -> None:
    """Raise UserError for a strategy whose predictions need more than one network and one image."""
    if strategy.text() is not None:
        why = "it reads product names, and an exported model sees images alone"
    elif others := strategy.companions():
        why = f"its predictions also need the models of {', '.join(others)}"
    elif strategy.transductive:
        why = "its predictions use the class distribution of all rows that are predicted together"
    else:
        return
    raise UserError(f"{strategy} cannot be exported: {why}; export another strategy.")


def require_libraries() -> None:
    """Raise UserError if a library of the extra `export` is missing."""
    if lacking := missing():
        raise UserError(f"an export needs {', '.join(lacking)}; `{INSTALL}` installs what is missing.")


def require_place(folder: Path) -> None:
    """Raise UserError unless `folder` is new or empty, and outside of the working folders that `clean` empties."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is not an empty folder; give one that is empty or does not exist yet.")
    if ".work" in folder.resolve().parts:
        raise UserError(f"{folder} is inside a run's working folder, which `clean` empties; give another folder.")
