"""Margin-aware mixup against its paper's piecewise linear target, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from strategies.combining.expression import parse
from tests.strategies.mixing.test_mixing import FACTS, SIZES, batch, drawn, generator


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("ratio", [-0.25, 0.0, 1.0, -400.0])
def test_targets_are_half_and_half_at_the_papers_place(size: int, ratio: float) -> None:
    for seed in range(6):
        given = batch(size, seed)
        mixed = parse(f"mamix(ratio={ratio})").mix(given, FACTS, generator(seed))
        share, partner_B, _ = drawn(given, 1.0, seed)
        for row, other in enumerate(partner_B):
            n_i, n_j = (max(FACTS.counts[given.labels_B[at]], 1) for at in (row, other))
            half = 1 / (1 + np.exp(min(ratio * np.log(n_j / n_i), 700)))
            expected_t = np.interp(share, [0, half, 1], [1, 0.5, 0])
            expected = expected_t * given.y_BC[row].numpy() + (1 - expected_t) * given.y_BC[other].numpy()
            np.testing.assert_allclose(mixed.y_BC[row].numpy(), expected, rtol=1e-6, atol=1e-12)
        images = (1 - share) * given.images_BCHW.numpy() + share * given.images_BCHW.numpy()[partner_B]
        np.testing.assert_allclose(mixed.images_BCHW.numpy(), images, rtol=1e-6, atol=1e-12)


def test_the_rare_class_of_a_pair_gets_the_larger_share_of_the_target() -> None:
    given = batch(2)
    given.labels_B = torch.tensor([0, 3])  # 900 samples and 3
    given.y_BC = torch.nn.functional.one_hot(given.labels_B, 6).double()
    seed = next(s for s in range(99) if drawn(given, 1.0, s)[1][0] == 1)
    share = drawn(given, 1.0, seed)[0]
    made_BC = parse("mamix").mix(given, FACTS, generator(seed)).y_BC
    assert made_BC[0, 3] > share and made_BC[1, 3] > 1 - share
