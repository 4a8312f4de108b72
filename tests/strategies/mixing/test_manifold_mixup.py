"""Manifold mixup of pooled features, in float64, and that the trainer's classifier gets them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from strategies.combining.expression import parse
from tests.making import digits_session, digits_suite
from tests.strategies.mixing.test_mixing import FACTS, SIZES, batch, drawn, generator
from tests.strategies.schedules.test_schedules import run_cell


@pytest.mark.parametrize("size", SIZES)
def test_features_and_targets_are_blended_alike(size: int) -> None:
    given = batch(size)
    given = dataclasses.replace(given, features_BF=torch.randn(size, 4, dtype=torch.float64, requires_grad=True))
    mixed = parse("manifold-mixup").mix_features(given, FACTS, generator(5))
    share, partner_B, _ = drawn(given, 2.0, 5)
    for made, was in ((mixed.features_BF, given.features_BF), (mixed.y_BC, given.y_BC)):
        was_N = was.detach().numpy()  # type: ignore[union-attr]
        expected = share * was_N + (1 - share) * was_N[partner_B]
        np.testing.assert_allclose(made.detach().numpy(), expected, rtol=1e-6, atol=1e-12)  # type: ignore[union-attr]
    assert mixed.features_BF is not None and mixed.features_BF.requires_grad
    assert torch.equal(mixed.images_BCHW, given.images_BCHW), "images stay"


def test_the_trainer_mixes_features(tmp_path: Path) -> None:
    suite = digits_suite({"epochs": {"head": 1, "tail": 1}})
    plain, mixed, retrained = (
        run_cell(digits_session(tmp_path / text, suite, strategies=(text,)))[-1]
        for text in ("none", "manifold-mixup", "manifold-mixup+feature-smote")
    )
    assert not torch.equal(plain["classifier.weight"], mixed["classifier.weight"])
    assert torch.isfinite(retrained["classifier.weight"]).all(), "also on stored features"
