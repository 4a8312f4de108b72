"""LADE against the paper's formulas, in float64 NumPy and plain loops."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from tests.strategies.paper import BALANCED, EXTREME, TYPICAL, Case, computed, differences, log_softmax, weighted


def reference(z_BC: np.ndarray, case: Case, weight: float, squared: float) -> float:
    """Return CE(z + log pi) + weight R."""
    size, classes = z_BC.shape
    pi_C = case.n_C / case.n_C.sum()
    loss = weighted([-log_softmax(z_C + np.log(pi_C)) for z_C in z_BC], case)
    importance_B = [math.fsum(y / (pi * classes) for y, pi in zip(y_C, pi_C, strict=True)) for y_C in case.y_BC]
    total = 0.0
    for c in range(classes):
        share = math.fsum(case.y_BC[:, c])
        mean = math.fsum(case.y_BC[:, c] * z_BC[:, c]) / share if share else 0.0
        top = max(z_BC[:, c])
        terms = [w * math.exp(z - top) for w, z in zip(importance_B, z_BC[:, c], strict=True)]
        s = top + math.log(math.fsum(terms) / size)
        total += pi_C[c] * (mean - s - squared * s**2)
    return loss - weight * total


@pytest.mark.parametrize("case", [TYPICAL, EXTREME, BALANCED, dataclasses.replace(TYPICAL, w_C=np.ones(5))])
@pytest.mark.parametrize(("weight", "squared"), [(0.1, 0.1), (0.7, 0.0), (0.0, 0.1)])
def test_loss_and_gradient_are_the_papers(case: Case, weight: float, squared: float) -> None:
    loss, gradient_BC, _ = computed(f"lade(weight={weight},squared={squared})", case)
    np.testing.assert_allclose(loss, reference(case.z_BC, case, weight, squared), rtol=1e-6)
    if case is TYPICAL:
        expected_BC = differences(lambda z_BC: reference(z_BC, case, weight, squared), case.z_BC)
        np.testing.assert_allclose(gradient_BC, expected_BC, rtol=1e-6, atol=1e-9)


def test_without_its_regulariser_it_is_balanced_softmax() -> None:
    ours, theirs = computed("lade(weight=0)", TYPICAL), computed("balanced-softmax", TYPICAL)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-9)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-9)
