"""The estimate of a shifted class prior against Saerens et al.'s formula, in float64, and that it is ranked apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from benchmarks.leaderboard.sections import Entry
from benchmarks.leaderboard.ties import kind
from benchmarks.records.kinds import IMAGES, TEST_ROWS
from strategies.base import Facts, Outputs
from strategies.combining.expression import parse

COUNTS = (900, 90, 10, 0)
FACTS = Facts(COUNTS, tuple("abcd"))


def reference(z_NC: np.ndarray, rounds: int) -> list[list[float]]:
    total = sum(max(n, 1) for n in COUNTS)
    pi = [max(n, 1) / total for n in COUNTS]
    q = pi
    for _ in range(rounds):
        posteriors = []
        for z_C in z_NC:
            ratio = [math.exp(z - max(z_C)) * q_c / pi_c for z, q_c, pi_c in zip(z_C, q, pi, strict=True)]
            posteriors.append([r / math.fsum(ratio) for r in ratio])
        q = [math.fsum(p[c] for p in posteriors) / len(posteriors) for c in range(len(pi))]
    return [[z + math.log(q_c / pi_c) for z, q_c, pi_c in zip(z_C, q, pi, strict=True)] for z_C in z_NC]


@pytest.mark.parametrize("rounds", [1, 2, 7])
def test_the_scores_are_the_papers(rounds: int) -> None:
    z_NC = np.random.default_rng(0).normal(0, 2, (6, 4))
    given = Outputs(torch.from_numpy(z_NC), torch.zeros(6, 0))
    made_NC = parse(f"em-label-shift(steps={rounds})").predict(given, FACTS)
    np.testing.assert_allclose(made_NC.numpy(), reference(z_NC, rounds), rtol=1e-6)


def test_it_finds_the_prior_of_rows_drawn_otherwise_than_the_training_rows() -> None:
    facts = Facts((900, 100), ("a", "b"))
    random = np.random.default_rng(1)
    labels_N = np.repeat([0, 1], [500, 1500])  # a quarter and three quarters
    x_N = random.normal(2.0 * labels_N - 1)  # the classes at -1 and 1
    z_NC = np.stack([-((x_N + 1) ** 2) / 2 + math.log(0.9), -((x_N - 1) ** 2) / 2 + math.log(0.1)], axis=1)
    made_NC = parse("em-label-shift").predict(Outputs(torch.from_numpy(z_NC), torch.zeros(2000, 0)), facts).numpy()
    shift_C = made_NC[0] - z_NC[0] + np.log([0.9, 0.1])
    np.testing.assert_allclose(np.exp(shift_C), [0.25, 0.75], atol=0.03)
    assert (made_NC.argmax(1) == labels_N).mean() > (z_NC.argmax(1) == labels_N).mean() + 0.1


def test_no_rows_stay_none() -> None:
    nothing = Outputs(torch.zeros(0, 4), torch.zeros(0, 0))
    assert parse("em-label-shift").predict(nothing, FACTS).shape == (0, 4)


def test_it_shares_plain_training_and_is_ranked_apart() -> None:
    assert not parse("em-label-shift").trains_differently() and parse("mixup+em-label-shift").transductive
    kinds = [kind(Entry("any", text, (), ())) for text in ("em-label-shift", "drw+em-label-shift", "drw")]
    assert kinds == [TEST_ROWS, TEST_ROWS, IMAGES]
