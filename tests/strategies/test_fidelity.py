"""The fidelity table names every strategy, with the defaults and the paper that the class has."""

from __future__ import annotations

import re
from pathlib import Path

from strategies.combining.expression import parse
from strategies.registry import get, names


def rows(repository: Path) -> dict[str, list[str]]:
    """Return the table's cells by the strategy's name."""
    text = (repository / "strategies" / "FIDELITY.md").read_text(encoding="utf-8")
    found = [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line.startswith("| `")
    ]
    return {re.match(r"`([a-z0-9-]+)", cells[0])[1]: cells for cells in found}  # type: ignore[index]


def test_every_strategy_of_this_folder_has_a_row_with_its_defaults_and_its_paper(repository: Path) -> None:
    table = rows(repository)
    here = [name for name in names() if get(name).__module__.startswith("strategies.")]
    assert sorted(table) == here
    for name, cells in table.items():
        assert len(cells) == 5 and all(cells)
        written, strategy = cells[0].strip("`"), get(name)()
        assert parse(written) == strategy, "the defaults are written as they are"
        assert written.count("=") == len(strategy.parameters()), "every parameter is written"
        papers, cited = (re.findall(r"arXiv:[\d.]+\d", text) for text in (cells[1], type(strategy).__doc__ or ""))
        assert papers == cited[: len(papers) or None], f"the docstring of {name} cites its paper, before any other"
