"""Learning rates of parts of the network, through the trainer."""

from __future__ import annotations

from pathlib import Path

import torch

from benchmarks.running.job import begin
from strategies.combining.expression import parse
from tests.making import digits_session, digits_suite
from tests.strategies.schedules.test_schedules import run_cell

ONE_EPOCH = {"weight_decay": 0.0, "schedule": "constant", "epochs": {"head": 1, "tail": 1}}


def test_the_encoder_moves_less_and_at_a_factor_of_one_as_in_plain_training(tmp_path: Path) -> None:
    suite, moved, states = digits_suite(ONE_EPOCH), {}, {}
    for text in ("none", "discriminative-rates(factor=1)", "discriminative-rates(factor=0.01)"):
        session = digits_session(tmp_path / text, suite, strategies=(text,))
        training = begin(session.context, next(iter(session.plan.jobs.values())))
        before = {name: p.detach().clone() for name, p in training.network.named_parameters()}
        first = run_cell(session)[0]
        states[text] = first
        for part in ("encoder.", "classifier."):
            moves = [(first[name] - p).norm() ** 2 for name, p in before.items() if name.startswith(part)]
            moved[text, part] = float(torch.stack(moves).sum().sqrt())
    plain, same, slow = states
    assert all(torch.equal(states[plain][name], states[same][name]) for name in states[plain])
    assert 0 < moved[slow, "encoder."] < 0.05 * moved[plain, "encoder."]
    assert moved[slow, "classifier."] > 0.5 * moved[plain, "classifier."]


def test_of_two_patterns_that_fit_the_earlier_part_counts() -> None:
    joined = parse("discriminative-rates(factor=0.5)+focal")
    assert joined.rates() == {"encoder.*": 0.5} and parse("focal").rates() == {}
