"""Head-to-tail fusion: which channels are replaced, and with what, in the real trainer."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.running.job import resume, run_job
from benchmarks.training import loop as train
from strategies.base import Batch, Facts, Progress
from strategies.combining.expression import parse
from strategies.schedules.h2t import HeadToTail
from tests.making import digits_session, digits_suite
from tests.strategies.mixing.test_mixing import batch, generator
from tests.strategies.schedules.test_schedules import acted

FACTS = Facts((900, 90, 10, 0), tuple("abcd"))


@pytest.mark.parametrize(("share", "replaced"), [(0.0, 0), (0.3, 3), (0.39, 3), (1.0, 10)])
def test_a_share_of_the_channels_comes_from_the_second_batch(share: float, replaced: int) -> None:
    one_BF, other_BF = torch.randn(2, 6, 10, generator=generator(1))
    second = dataclasses.replace(batch(6, 9), features_BF=other_BF)
    given = dataclasses.replace(batch(6, 3), features_BF=one_BF, second=second)
    chosen = []
    for seed in range(12):
        fused = parse(f"h2t(share={share})").mix_features(given, FACTS, generator(seed))
        channels = set(torch.randperm(10, generator=generator(seed)).argsort()[:replaced].tolist())
        expected = [[(other_BF if f in channels else one_BF)[b, f] for f in range(10)] for b in range(6)]
        np.testing.assert_array_equal(fused.features_BF, expected)  # type: ignore[arg-type]
        assert fused.y_BC is given.y_BC and torch.equal(fused.labels_B, given.labels_B)
        chosen.append(frozenset(channels))
    assert share in (0.0, 1.0) or len(set(chosen)) > 6, "drawn for each step"


def test_the_first_batch_is_balanced_and_the_second_as_the_data() -> None:
    strategy = HeadToTail()
    np.testing.assert_allclose(strategy.sampling_C(FACTS, Progress(0, 1)), [1 / 3, 1 / 3, 1 / 3, 0])
    np.testing.assert_allclose(strategy.second_C(FACTS, Progress(0, 1)), [0.9, 0.09, 0.01, 0])
    assert acted("h2t", 210) == [(0, 200, ""), (200, 210, "h2t")]


def test_the_trainer_fuses_features_of_the_frozen_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = digits_suite({"epochs": {"head": 2, "tail": 1}})
    session = digits_session(tmp_path, suite, strategies=("h2t(start=0.5)",))
    first, last = (session.plan.jobs[key] for key in session.plan.cells[0].jobs[0])
    run_job(session.context, first)
    training, _ = resume(session.context, last)
    seen: list[Batch] = []

    def watch(self: HeadToTail, given: Batch, facts: Facts, draws: Any) -> Batch:
        seen.append(given)
        return dataclasses.replace(given, features_BF=given.second.features_BF)  # type: ignore[union-attr]

    monkeypatch.setattr(HeadToTail, "mix_features", watch)
    before = training.network.classifier.weight.detach().clone()
    train.run(training, lambda *_: None, lambda _: None)
    assert not torch.equal(before, training.network.classifier.weight), "the classifier goes on from where it was"
    with torch.no_grad():
        for given in (seen[0], seen[-1]):
            for each in (given, given.second):
                expected_BF = training.network.features(each.images_BCHW)  # type: ignore[union-attr]
                torch.testing.assert_close(each.features_BF, expected_BF)  # type: ignore[union-attr]
