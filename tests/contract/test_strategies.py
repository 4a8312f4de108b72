"""Every registered strategy keeps the contract: the clauses that `python -m benchmarks check` runs."""

from __future__ import annotations

import pytest

from benchmarks.contract.clauses import judge
from strategies.combining.expression import parse
from strategies.registry import names

pytestmark = pytest.mark.usefixtures("one_thread")
JOINED = [
    "oversample+loss-weights",
    "oversample+loss-weights+minority-augment",
    "ldam+drw",
    "drs+oversample-rare",
    "mixup+crt",
]


@pytest.mark.parametrize("text", [*names(), *JOINED])
def test_every_clause_is_kept(text: str) -> None:
    broken = [f"{v.clause.name}: {v.why}" for v in judge(parse(text)) if v.state != "kept"]
    assert not broken
