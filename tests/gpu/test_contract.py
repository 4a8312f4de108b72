"""Every strategy trains on a GPU as on the CPU."""

from __future__ import annotations

import pytest
import torch

from benchmarks.contract.on_device import judge_on
from strategies.combining.expression import parse
from strategies.registry import names


@pytest.mark.parametrize("name", names())
def test_a_cell_trains_as_on_the_cpu(name: str) -> None:
    verdict = judge_on(parse(name), torch.device("cuda"))
    assert verdict.state == "kept", verdict.why
