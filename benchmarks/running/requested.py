"""The cells that were requested, in `<out>/.work/planned/`, so that `status` knows what is missing."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Any

from backbones.files import write_bytes
from benchmarks.planning.plan import Cell, Plan
from benchmarks.records.storage import safe_name


def note(plan: Plan, work: Path, suite: str) -> None:
    """Add the plan's cells to those requested before; a cell that is planned again replaces the old one."""
    cells = {_name(cell): cell for cell in (*asked(work, suite), *plan.cells)}
    content = {"suite": suite, "cells": [dataclasses.asdict(cell) for cell in cells.values()]}
    with contextlib.suppress(OSError):  # a full disk: `status` knows less
        write_bytes(work / "planned" / f"{safe_name(suite)}.json", json.dumps(content).encode())


def asked(work: Path, suite: str) -> list[Cell]:
    """Return the requested cells of a suite; none if the file cannot be read."""
    return _read(work / "planned" / f"{safe_name(suite)}.json")[1]


def every(work: Path) -> dict[str, list[Cell]]:
    """Return the requested cells by suite."""
    found = dict(_read(path) for path in sorted((work / "planned").glob("*.json")))
    return {suite: cells for suite, cells in found.items() if suite}


def _read(path: Path) -> tuple[str, list[Cell]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        cells = [Cell(**{name: _frozen(value) for name, value in cell.items()}) for cell in content["cells"]]
        return str(content["suite"]), cells
    except (OSError, ValueError, TypeError, KeyError):
        return "", []


def _frozen(value: Any) -> Any:
    """Convert JSON's lists back to tuples."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _name(cell: Cell) -> tuple[str, str, str, int, int]:
    return cell.variant, cell.backbone, cell.strategy, cell.seed, cell.split
