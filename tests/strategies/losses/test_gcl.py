"""Gaussian clouded logits against the paper's formula, in float64."""

from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import example, given

from strategies.base import Facts
from strategies.combining.expression import parse
from strategies.losses.gcl import GaussianClouded
from tests.strategies.paper import BALANCED, EXTREME, TYPICAL, Case, cases, compare, log_softmax


def clouded(z_C: np.ndarray, b: int, case: Case) -> np.ndarray:
    """Return the loss for each label of row b: the noise is what the step's generator gives."""
    drawn_BC = torch.randn(case.z_BC.shape, generator=torch.Generator().manual_seed(case.seed)).double().numpy()
    top, low = math.log(max(case.n_C)), math.log(min(case.n_C))
    lost = [
        0.0 if top == low else 30 * 0.5 * min(abs(drawn_BC[b, c]) / 3, 1) * (top - math.log(n)) / (top - low)
        for c, n in enumerate(case.n_C)
    ]
    return -log_softmax(z_C - np.array(lost))


@given(cases())
@example(TYPICAL)
@example(EXTREME)
@example(BALANCED)
def test_the_loss_is_the_papers(case: Case) -> None:
    compare("gcl", clouded, case)


def test_a_classes_rarity_is_its_place_on_the_logarithm_of_the_counts() -> None:
    facts = Facts((1000, 10, 1, 0, 100), tuple("abcde"))
    np.testing.assert_allclose(GaussianClouded().rarity_C(facts), [0, 2 / 3, 1, 1, 1 / 3])


def test_the_scored_logits_are_the_scaled_cosine_without_noise() -> None:
    facts = Facts((10, 1), ("a", "b"))
    classifier = GaussianClouded(scale=20).classifier(torch.nn.Identity(), 3, facts)
    logits_BC = classifier(torch.ones(1, 3))
    assert logits_BC.abs().max() <= 20 and torch.equal(logits_BC, classifier(torch.ones(1, 3)))


def test_the_papers_two_stages_are_joined_with_crt() -> None:
    facts = Facts((10, 1), ("a", "b"))
    phases = parse("gcl+crt").phases(10, facts)
    assert [(p.end, p.acting, p.new_classifier) for p in phases] == [(9, ("gcl",), False), (10, ("crt",), True)]
