"""The causal classifier against the paper's formulas, in float64, and its moving mean."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backbones.strategy_layers.causal import CausalClassifier


def reference(f_F: np.ndarray, w_CF: np.ndarray, m_F: np.ndarray, alpha: float, parts: int) -> list[float]:
    logits = []
    for w_F in w_CF:
        total = 0.0
        for f, w, m in zip(*(np.split(x, parts) for x in (f_F, w_F, m_F)), strict=True):
            x, unit = f / np.linalg.norm(f), m / np.linalg.norm(m)
            x = x - alpha * (x @ unit) * unit
            total += 16 / parts * float(x @ (w / (np.linalg.norm(w) + 1 / 32)))
        logits.append(total)
    return logits


@pytest.mark.parametrize("features", [6, 5])
@pytest.mark.parametrize("alpha", [0.0, 1.5])
def test_the_effect_of_the_mean_is_taken_out_in_evaluation_only(features: int, alpha: float) -> None:
    classifier = CausalClassifier(features, 4, alpha).double()
    f_BF = torch.randn(3, features, dtype=torch.float64)
    for seed in (0, 1):
        batch_BF = torch.randn(7, features, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        expected_F = 0.9 * classifier.mean_F.numpy() + batch_BF.numpy().mean(0)
        classifier.update(batch_BF)
        np.testing.assert_allclose(classifier.mean_F.numpy(), expected_F, rtol=1e-6)
    parts = 2 if features % 2 == 0 else 1
    w_CF, m_F = classifier.weight_CF.detach().numpy(), classifier.mean_F.numpy()
    for training, removed in ((True, 0.0), (False, alpha)):
        classifier.train(training)
        expected = [reference(f_F, w_CF, m_F, removed, parts) for f_F in f_BF.numpy()]
        np.testing.assert_allclose(classifier(f_BF).detach().numpy(), expected, rtol=1e-6)


def test_without_a_mean_nothing_is_taken_out() -> None:
    classifier, f_BF = CausalClassifier(6, 4, 3.0), torch.randn(2, 6)
    assert torch.equal(classifier.eval()(f_BF), classifier.train()(f_BF))
