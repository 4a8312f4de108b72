"""Every registered strategy keeps the contract: the clauses that `python -m benchmarks check` runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from benchmarks.contract.clauses import judge
from strategies.combining.expression import parse
from strategies.registry import names

JOINED = [
    "oversample+loss-weights",
    "oversample+loss-weights+minority-augment",
    "ldam+drw",
    "drs+oversample-rare",
    "mixup+crt",
]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a network of a thousand weights: a second thread only waits
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("text", [*names(), *JOINED])
def test_every_clause_is_kept(text: str) -> None:
    broken = [f"{v.clause.name}: {v.why}" for v in judge(parse(text)) if v.state != "kept"]
    assert not broken
