"""Balanced contrast against the paper's formula, written with loops in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from strategies.combining.expression import parse
from strategies.contrast.bcl import balanced_contrast
from tests.strategies.contrast.given import CLASSES, LABELS, W_C, adjusted, given
from tests.strategies.paper import differences


def contrast(z_NP: np.ndarray, labels: list[int], centre_CP: np.ndarray, temperature: float) -> list[float]:
    """Return the loss of each sample: its class's others are drawn near, and every class is averaged."""
    everything = [*zip(z_NP, labels, strict=True), *zip(centre_CP, range(len(centre_CP)), strict=True)]
    losses = []
    for i, (z, label) in enumerate(zip(z_NP, labels, strict=True)):
        others = [(math.exp(z @ other / temperature), c) for k, (other, c) in enumerate(everything) if k != i]
        whole = 0.0
        for c in range(len(centre_CP)):
            of_class = [e for e, label_k in others if label_k == c]
            whole += sum(of_class) / len(of_class)
        positives = [math.log(e / whole) for e, label_k in others if label_k == label]
        losses.append(-sum(positives) / len(positives))
    return losses


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_each_samples_contrast_and_its_gradient_are_the_papers(temperature: float) -> None:
    draws = np.random.default_rng(1)
    z_NP, centre_CP = (a / np.linalg.norm(a, axis=1)[:, None] for a in (draws.normal(size=s) for s in ((5, 3), (4, 3))))
    leaf_NP = torch.tensor(z_NP, requires_grad=True)
    loss_N = balanced_contrast(leaf_NP, torch.tensor(LABELS), torch.from_numpy(centre_CP), temperature)
    np.testing.assert_allclose(loss_N.detach().numpy(), contrast(z_NP, LABELS, centre_CP, temperature), rtol=1e-6)
    loss_N.sum().backward()
    by_differences = differences(lambda at: sum(contrast(at, LABELS, centre_CP, temperature)), z_NP)
    np.testing.assert_allclose(leaf_NP.grad.numpy(), by_differences, rtol=1e-4, atol=1e-6)  # type: ignore[union-attr]


@pytest.mark.parametrize("mixed", [False, True])
def test_the_loss_joins_logit_adjustment_of_one_view_and_contrast_of_two(mixed: bool) -> None:
    case = given(parse("bcl"), mixed=mixed)
    outputs = case.outputs()
    head = case.network.classifier
    projected_NP = torch.cat([view.extra["projected_BP"] for view in outputs.views]).detach().numpy()
    np.testing.assert_allclose(np.linalg.norm(projected_NP, axis=1), 1)
    weight_CF = head.classifier.weight_CF  # type: ignore[union-attr]
    centre_CP = torch.nn.functional.normalize(head.centring(weight_CF)).detach().numpy()  # type: ignore[operator,union-attr]
    loss_N = np.array(contrast(projected_NP, 2 * LABELS, centre_CP, 0.07))
    w_N = W_C[2 * LABELS]
    expected = adjusted(case, outputs.logits_BC) + 0.35 * (w_N * loss_N).sum() / w_N.sum()
    assert case.loss(outputs).item() == pytest.approx(expected, rel=1e-6)


def test_centres_teach_the_class_weights_and_scoring_sees_the_logits_alone() -> None:
    case = given(parse("bcl"))
    head = case.network.classifier
    loss = case.loss(case.outputs())
    (slope_CF,) = torch.autograd.grad(loss, [head.classifier.weight_CF])  # type: ignore[union-attr]
    assert (slope_CF[3] != 0).any(), "also of the class that has no sample"
    with torch.no_grad():
        scored = head.eval()(case.features_VBF[0])
    assert torch.equal(scored, head.classifier(case.features_VBF[0])) and scored.shape == (5, CLASSES)
