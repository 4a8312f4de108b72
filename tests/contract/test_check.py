"""`python -m benchmarks check`, as users start it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks.cli import main
from benchmarks.contract.clauses import clauses
from tests.process import bench

PLUGIN = '''
"""Weights by count, one of which is broken."""

import dataclasses

import numpy as np

from strategies.base import Strategy
from strategies.registry import register


@register
@dataclasses.dataclass(frozen=True)
class Good(Strategy):
    """w_c = n_c."""

    name = "by-count"
    summary = "weights by count"
    power: float = 1.0

    def class_weights_C(self, facts, progress):
        return np.maximum(facts.counts, 1.0) ** self.power


@register
@dataclasses.dataclass(frozen=True)
class Bad(Strategy):
    """p_c = 1 / C, for classes without samples too."""

    name = "all-alike"
    summary = "draws what is not there"

    def sampling_C(self, facts, progress):
        return np.full(facts.num_classes, 1 / facts.num_classes)
'''


def test_a_file_is_checked_clause_by_clause_and_the_broken_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    done = bench(tmp_path, "check", "mine.py")
    assert done.returncode == 1, done.stderr
    bad, good, last = done.stdout.rsplit("\n\n", 2)
    expected = {name: {clause.name: "kept" for clause in clauses()} for name in ("all-alike", "by-count")}
    expected["all-alike"] |= {
        "sampling": "broken sampling_C draws a class without samples, an empty class",
        "frozen": "not tried sampling comes first",
        "resumed": "not tried sampling comes first",
        "pieces": "not tried sampling comes first",
    }
    for name, table in {"all-alike": bad, "by-count": good}.items():
        title, *lines = table.strip().splitlines()
        assert title == name
        rows = [" ".join(line.split()) for line in lines[2:]]
        assert rows == [f"{clause.name} {clause.promise} {expected[name][clause.name]}" for clause in clauses()]
    assert last.strip() == "broken: all-alike: sampling"
    assert not list(tmp_path.glob("runs"))


@pytest.fixture
def _threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("_threads")
def test_names_globs_and_expressions_are_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "drw+ldam", "sqrt*"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("drw+ldam\n")
    assert "\nsqrt-sampling\n" in said
    assert said.endswith("Every clause is kept.\n")


def test_a_file_without_strategies_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.py").write_text("")
    assert main(["check", str(tmp_path / "empty.py")]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "empty.py registers no strategy" in said.err
