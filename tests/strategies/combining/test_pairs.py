"""Pairs of strategies: each is refused in one sentence that names both parts, or can be planned, stepped and trained.

One pair for each two sets of seats is trained; `BENCHMARKS_PAIRS=all` (`tox -e soak`) trains every pair.
"""

from __future__ import annotations

import collections
import functools
import itertools
import math
import os
from pathlib import Path

import pytest
import torch

from benchmarks.contract import tiny
from benchmarks.contract.cases import PROGRESS, batches, ordinary
from benchmarks.contract.step import try_step
from benchmarks.running.job import run_job
from benchmarks.running.scoring import done_record
from strategies.base import StrategyError
from strategies.combining.expression import parse
from strategies.combining.seats import SEAT_OF_HOOK, SEATS, ends_at_new_classifier, seats_of
from strategies.registry import names

pytestmark = pytest.mark.usefixtures("one_thread")
NAMES = [name for name in names() if name != "none"]
PAIRS_PER_TEST = 20


@functools.cache
def refusal(text: str) -> str:
    """Return the sentence with which a combination is refused, "" where it is not."""
    try:
        parse(text)
    except StrategyError as error:
        return str(error)
    return ""


def representatives(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return one pair for each two sets of seats, the one whose strategies were chosen least often so far."""
    alike = collections.defaultdict(list)
    for pair in pairs:
        alike[frozenset(seats_of(parse(name)) for name in pair)].append(pair)
    chosen: list[tuple[str, str]] = []
    used: collections.Counter[str] = collections.Counter()
    for candidates in alike.values():
        chosen.append(min(candidates, key=lambda pair: sorted(used[name] for name in pair)))
        used.update(chosen[-1])
    return chosen


# seat -> combinations that are refused because their last two parts that hold it exclude each other
REFUSED = {
    "architecture": "adapters+lora bn-only+ride text-only+text-fusion text-fusion+ride sade+text-only ride+sade",
    "ascent": "sam+imbsam",
    "augmentation": "text-only+minority-augment oversample+minority-augment+text-only",
    "classifier": "glmc+ldam bcl+ldam bcl+proco bcl+lws proco+tau-norm disalign+tau-norm lora+ldam gcl+ldam tde+ldam "
    "tde+tau-norm mislas+ldam lws+tau-norm ride+ldam ride+tau-norm nearest-class-mean+ldam",
    "loss": "group-dro+cvar-dro group-dro+focal mislas+focal sade+focal",
    "mix": "glmc+mixup h2t+mixup manifold-mixup+mixup mamix+mixup mislas+mixup mixup+cutmix cmo+mixup cutmix+cmo "
    "cmo+mislas text-fusion+mixup text-fusion+cutmix text-fusion+remix text-fusion+cmo text-only+mixup",
    "prior": "proco+logit-adjust h2t+ldam disalign+crt lora+crt lade+balanced-softmax lade+ldam em-label-shift+ldam "
    "crt+lws crt+tau-norm feature-smote+crt feature-smote+logit-adjust-posthoc sade+balanced-softmax ride+crt "
    "nearest-class-mean+crt nearest-class-mean+balanced-softmax balanced-softmax+lws logit-adjust-posthoc+crt",
    "retraining": "ema+swa swa+crt mislas+crt",
    "sampler": "h2t+oversample drs+oversample+oversample-rare crt+oversample mislas+oversample random-over+oversample "
    "feature-smote+oversample oversample+oversample-rare sqrt-sampling+oversample undersample+oversample "
    "undersample+progressive-sampling",
    "text": "text-fallback+text-only text-fallback+text-fusion",
}
JOINED = [pair for pair in itertools.combinations(NAMES, 2) if not refusal("+".join(pair))]
TRAINED = JOINED if os.environ.get("BENCHMARKS_PAIRS") == "all" else representatives(JOINED)


def test_every_strategy_that_joins_with_another_is_trained_in_a_pair() -> None:
    assert set(itertools.chain(*TRAINED)) == set(itertools.chain(*JOINED))


@pytest.mark.parametrize("start", range(0, len(TRAINED), PAIRS_PER_TEST))
def test_a_pair_trains(start: int, tmp_path: Path) -> None:
    texts = ["+".join(pair) for pair in TRAINED[start : start + PAIRS_PER_TEST]]
    with tiny.backbone():
        plan, context = tiny.session(texts, tmp_path, epochs=2)
        for job in plan.jobs.values():
            result = run_job(context, job)
            assert len(result.losses) == job.epochs and all(map(math.isfinite, result.losses)), job
        for cell in plan.cells:
            record = done_record(context, plan, cell)
            assert (record.status, record.strategy) == ("done", cell.strategy)


def test_every_pair_that_is_not_refused_can_be_planned(tmp_path: Path) -> None:
    texts = ["+".join(pair) for pair in JOINED]
    with tiny.backbone():
        plan, _ = tiny.session(texts, tmp_path, epochs=2)
    assert [cell.strategy for cell in plan.cells] == texts and not plan.left_out


@pytest.mark.parametrize("first", NAMES)
def test_every_pair_that_is_not_refused_takes_a_step(first: str) -> None:
    case = ordinary()[0]
    _, batch = next(batches(case))
    for pair in JOINED:
        if pair[0] == first:
            tried = try_step(parse("+".join(pair)), case, batch, PROGRESS[-1])
            tried.loss.backward()
            assert torch.isfinite(tried.loss), pair


@pytest.mark.parametrize("seat", REFUSED)
def test_two_parts_that_would_do_the_same_are_refused_and_named(seat: str) -> None:
    for text in REFUSED[seat].split():
        *_, one, other = [name for name in text.split("+") if seat in seats_of(parse(name))]
        assert refusal(text) == f"{one} and {other} both {SEATS[seat]}; keep one of them."


@pytest.mark.parametrize("other", ["crt", "feature-smote"])
def test_what_has_a_schedule_of_its_own_is_not_deferred(other: str) -> None:
    assert refusal(f"drs+{other}") == f"drs cannot defer {other}, which has its own schedule; write one of them."


def test_what_is_refused_is_decided_by_declared_seats_and_schedules() -> None:
    for one, other in itertools.combinations(NAMES, 2):
        sentence = refusal(f"{one}+{other}")
        a, b = parse(one), parse(other)
        left = {SEAT_OF_HOOK.get(hook) for hook in a.defers ^ b.defers}
        left |= {"prior"} if ends_at_new_classifier(a, b) or ends_at_new_classifier(b, a) else set()
        shared = seats_of(a) & seats_of(b) - left
        assert bool(sentence) == bool(shared or "cannot defer" in sentence), (one, other, sentence)
        if sentence:
            assert one in sentence and other in sentence and "\n" not in sentence
        if shared:
            assert any(SEATS[seat] in sentence for seat in shared)
        assert bool(sentence) == bool(refusal(f"{other}+{one}")), "the order of the parts decides nothing"
