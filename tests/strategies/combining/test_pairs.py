"""Every strategy alone and every pair of them: it trains through the one trainer, or is refused naming both parts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks.contract import tiny
from benchmarks.running.job import run_job
from benchmarks.running.scoring import done_record
from strategies.base import StrategyError
from strategies.combining.expression import parse
from strategies.combining.seats import SEAT_OF_HOOK, seats_of
from strategies.registry import names

NAMES = [name for name in names() if name != "none"]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def refusal(text: str) -> str:
    """Return the sentence with which a combination is refused, "" where it is not."""
    try:
        parse(text)
    except StrategyError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("first", NAMES)
def test_alone_and_with_every_other_it_trains_or_is_refused(first: str, tmp_path: Path) -> None:
    pairs = {f"{first}+{other}": other for other in NAMES[NAMES.index(first) + 1 :]}
    refused = {text: sentence for text in pairs if (sentence := refusal(text))}
    for text, sentence in refused.items():
        assert first in sentence and pairs[text] in sentence and "\n" not in sentence
    joined = [first, *(text for text in pairs if text not in refused)]
    with tiny.backbone():
        plan, context = tiny.session(joined, tmp_path, epochs=2)
        assert [cell.strategy for cell in plan.cells] == joined and not plan.left_out
        for job in plan.jobs.values():
            result = run_job(context, job)
            assert len(result.losses) == job.epochs and all(map(math.isfinite, result.losses))
        for cell in plan.cells:
            record = done_record(context, plan, cell)
            assert (record.status, record.strategy) == ("done", cell.strategy)


def test_what_is_refused_is_decided_by_declared_seats_and_schedules() -> None:
    for one, other in itertools.combinations(NAMES, 2):
        sentence = refusal(f"{one}+{other}")
        a, b = parse(one), parse(other)
        left = {SEAT_OF_HOOK.get(hook) for hook in a.defers ^ b.defers}
        shared = seats_of(a) & seats_of(b) - left
        assert bool(sentence) == bool(shared or "cannot defer" in sentence), (one, other, sentence)
        if shared:
            assert any(f"seat {seat!r}" in sentence for seat in shared)
        assert bool(sentence) == bool(refusal(f"{other}+{one}")), "the order of the parts decides nothing"
