"""GLMC: the two mixtures, and the loss against the paper's formula in float64."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from strategies.base import Facts, Progress
from strategies.combining.expression import parse
from strategies.mixing.cutmix import draw_box
from strategies.mixing.mixup import draw_beta
from tests.strategies.contrast.given import COUNTS, W_C, given, log_softmax, weighted
from tests.strategies.mixing.test_mixing import FACTS, batch, generator


def test_one_view_is_blended_and_another_boxed_with_the_same_share() -> None:
    shares = []
    for seed in range(20):
        one = dataclasses.replace(batch(5, seed), views=(batch(5, seed + 100),))
        other = dataclasses.replace(batch(5, seed + 200), views=(batch(5, seed + 300),))
        mixed = parse("glmc").mix(dataclasses.replace(one, second=other), FACTS, generator(seed))
        draws = generator(seed)
        share = draw_beta(1.0, draws)
        height, width = one.images_BCHW.shape[-2:]
        top, bottom, left, right = draw_box(height, width, share, draws)
        inside = np.zeros((height, width), dtype=bool)
        inside[top:bottom, left:right] = True
        boxed = np.where(inside, other.views[0].images_BCHW.numpy(), one.views[0].images_BCHW.numpy())
        (local,) = mixed.views
        np.testing.assert_array_equal(local.images_BCHW.numpy(), boxed)
        for made, a, b in (
            (mixed.images_BCHW, one.images_BCHW, other.images_BCHW),
            (mixed.y_BC, one.y_BC, other.y_BC),
            (local.y_BC, one.y_BC, other.y_BC),
        ):
            np.testing.assert_allclose(made.numpy(), share * a.numpy() + (1 - share) * b.numpy(), rtol=1e-6, atol=1e-9)
        shares.append(share)
    assert min(shares) < 0.3 and max(shares) > 0.7


@pytest.mark.parametrize("resampling", [0.0, 0.2, 1.0])
def test_the_second_batch_is_drawn_from_weighted_samples(resampling: float) -> None:
    facts = Facts(COUNTS, tuple("abcd"))
    weight_C = [n * n**-resampling if n else 0.0 for n in COUNTS]
    p_C = parse(f"glmc(resampling={resampling})").second_C(facts, Progress(0, 1))
    np.testing.assert_allclose(p_C, np.array(weight_C) / sum(weight_C), rtol=1e-6)  # type: ignore[arg-type]


@pytest.mark.parametrize("epoch", [0, 3])
def test_the_loss_turns_from_one_classifier_to_the_other_and_views_agree(epoch: int) -> None:
    case = given(parse("glmc"), epoch=epoch, mixed=True)
    outputs = case.outputs()
    share, present = 1 - (epoch / 4) ** 2, np.array(COUNTS) > 0
    w_C = np.where(present, 1 / np.maximum(COUNTS, 1), 0)
    w_C = np.where(present, w_C * present.sum() / w_C.sum(), 1)
    expected = 0.0
    for made, view in ((outputs, case.batch), (outputs.views[0], case.batch.views[0])):
        second, scored = (log_softmax(z.detach().numpy()) for z in (made.extra["second_BC"], made.logits_BC))
        expected += share * weighted(second, view.y_BC.numpy(), W_C)
        expected += (1 - share) * weighted(scored, view.y_BC.numpy(), w_C * W_C)
    h_BP, p_BP = (
        [o.extra[n].detach().numpy() for o in (outputs, outputs.views[0])] for n in ("projected_BP", "predicted_BP")
    )
    for p, h in ((p_BP[0], h_BP[1]), (p_BP[1], h_BP[0])):
        cosine_B = (p * h).sum(1) / np.linalg.norm(p, axis=1) / np.linalg.norm(h, axis=1)
        expected -= 10 * cosine_B.mean()
    expected /= 2  # the mean over the views
    loss = case.loss(outputs)
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    head = case.network.classifier
    slope = torch.autograd.grad(loss, [head.classifier.weight, head.prediction.weight])  # type: ignore[union-attr]
    assert slope[0].any() == (epoch > 0) and slope[1].any(), "the first classifier learns as the share falls"


def test_the_projection_is_a_constant_for_the_other_views_prediction() -> None:
    case = given(parse("glmc"))
    outputs = case.outputs()
    one_BP, other_BP = outputs.extra["projected_BP"], outputs.views[0].extra["projected_BP"]
    predicted_BP = case.network.classifier.prediction(other_BP)  # type: ignore[operator,union-attr]
    cosine = torch.nn.functional.cosine_similarity(predicted_BP, one_BP.detach(), dim=1).mean()
    (slope_BP,), (through_BP,) = (torch.autograd.grad(value, [other_BP]) for value in (case.loss(outputs), cosine))
    torch.testing.assert_close(slope_BP, -5 * through_BP)
