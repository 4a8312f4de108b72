"""Probabilistic contrast against the paper's formulas, with scipy's Bessel function; its statistics by class."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy.special import ive

from strategies.base import Outputs
from strategies.combining.expression import parse
from strategies.contrast.proco import log_expectation
from strategies.contrast.von_mises_fisher import concentration, log_bessel
from tests.strategies.contrast.given import CLASSES, COUNTS, LABELS, W_C, adjusted, given, log_softmax, weighted
from tests.strategies.paper import differences


def log_normaliser(kappa: float, size: int) -> float:
    """Return log C_P(kappa), up to a constant: kappa^v / I_v(kappa), v = P / 2 - 1."""
    v = size / 2 - 1
    return v * np.log(kappa) - np.log(ive(v, kappa)) - kappa


def expectation(z_P: np.ndarray, mean_P: np.ndarray, temperature: float) -> float:
    size, length = len(z_P), float(np.linalg.norm(mean_P))
    kappa = min(length * (size - length**2) / (1 - length**2), 1e5)
    moved = np.linalg.norm(kappa * mean_P / length + z_P / temperature)
    return log_normaliser(kappa, size) - log_normaliser(float(moved), size)


@pytest.mark.parametrize(("size", "error"), [(32, 1e-6), (128, 1e-8)])
def test_the_series_is_the_bessel_function_and_its_slope_the_ratio_of_two(size: int, error: float) -> None:
    k_N, v = np.array([0.5, 5, 30, 63, 100, 500, 1e4, 1e5]), size / 2 - 1
    kappa_N = torch.tensor(k_N, requires_grad=True)
    value_N = log_bessel(kappa_N, size)
    value_N.sum().backward()
    np.testing.assert_allclose(value_N.detach(), np.log(ive(v, k_N)) + k_N - v * np.log(k_N), rtol=0, atol=error)
    np.testing.assert_allclose(kappa_N.grad, ive(v + 1, k_N) / ive(v, k_N), rtol=0, atol=error)  # type: ignore[arg-type]
    assert torch.isfinite(log_bessel(torch.zeros(1), size)).all(), "also where there is no direction"


def test_samples_that_agree_have_a_large_concentration_and_never_an_infinite_one() -> None:
    assert concentration(torch.tensor([0.0, 1.0, 1.5], dtype=torch.float64), 128).tolist() == [0, 1e5, 1e5]


@pytest.mark.parametrize("length", [1e-3, 0.6, 0.999, 1.0])
def test_the_expectation_and_its_gradient_are_the_papers(length: float) -> None:
    draws = np.random.default_rng(3)
    z_BP, mean_CP = (a / np.linalg.norm(a, axis=1)[:, None] for a in draws.normal(size=(2, 3, 40)))
    mean_CP = mean_CP * min(length, 1 - 1e-13)
    leaf_BP = torch.tensor(z_BP, requires_grad=True)
    value_BC = log_expectation(leaf_BP, torch.from_numpy(mean_CP), 0.1)
    expected = [[expectation(z_P, mean_P, 0.1) for mean_P in mean_CP] for z_P in z_BP]
    np.testing.assert_allclose(value_BC.detach().numpy(), expected, rtol=1e-5, atol=1e-6)
    value_BC.sum().backward()
    slope = differences(lambda at: sum(expectation(z_P, m_P, 0.1) for z_P in at for m_P in mean_CP), z_BP)
    np.testing.assert_allclose(leaf_BP.grad.numpy(), slope, rtol=1e-4, atol=1e-4)  # type: ignore[union-attr]


def test_a_uniform_class_gives_the_mean_over_the_sphere() -> None:
    points_NP = torch.randn(200_000, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z_BP = torch.eye(32, dtype=torch.float64)[:1]
    by_hand = torch.nn.functional.normalize(points_NP)[:, 0].div(0.5).exp().mean().log()
    assert float(log_expectation(z_BP, torch.zeros(1, 32).double(), 0.5)) == pytest.approx(float(by_hand), abs=0.005)


def moved(outputs: Outputs, seed: int) -> Outputs:
    """Return the outputs with other projections."""
    draws = torch.Generator().manual_seed(seed)
    views = []
    for view in outputs.views:
        drawn_BP = torch.randn(view.extra["projected_BP"].shape, generator=draws, dtype=torch.float64)
        views.append(dataclasses.replace(view, extra={"projected_BP": torch.nn.functional.normalize(drawn_BP)}))
    return dataclasses.replace(outputs, views=tuple(views))


def test_means_are_those_of_this_epoch_and_the_last_with_the_batch_itself() -> None:
    case = given(parse("proco"))
    outputs, labels = case.outputs(), np.array(2 * LABELS)
    seen: list[list[np.ndarray]] = [[]]
    start_CP = case.network.classifier.start_CP.numpy()  # type: ignore[union-attr,operator]
    n_C = np.array([max(n, 1) for n in COUNTS], dtype=np.float64)
    for step in range(7):
        outputs = moved(outputs, step)
        z_VBP = [view.extra["projected_BP"].numpy() for view in outputs.views]
        seen[-1].append(np.concatenate(z_VBP))
        counted = np.concatenate([z for epoch in seen[-2:] for z in epoch])
        labels_N = np.tile(labels, len(counted) // len(labels))
        mean_CP = [counted[labels_N == c].mean(0) if (labels_N == c).any() else start_CP[c] for c in range(CLASSES)]
        expected = adjusted(case, outputs.logits_BC)
        for z_BP, view in zip(z_VBP, case.batch.views, strict=True):
            log_e_BC = np.array([[expectation(z_P, mean_P, 0.1) for mean_P in mean_CP] for z_P in z_BP])
            log_p_BC = log_softmax(log_e_BC - log_e_BC.max() + np.log(n_C / n_C.sum()))
            expected += weighted(log_p_BC, view.y_BC.numpy(), W_C) / 2
        assert case.loss(outputs).item() == pytest.approx(expected, rel=1e-6), step
        case.strategy.after_step(case.network, outputs, case.batch, case.step)
        if step % 2:
            case.strategy.after_epoch(case.network, case.step.facts, None)  # type: ignore[arg-type]
            seen.append([])
