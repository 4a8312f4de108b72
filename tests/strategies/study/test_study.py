"""The study's strategies against NumPy float64 computations written from their formulas, and as drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.training.batching.batches import epoch_order
from strategies.base import Facts, Progress
from strategies.combining.expression import parse

COUNTS = st.lists(st.sampled_from([0, 1, 2]) | st.integers(0, 20_000), min_size=2, max_size=40).filter(any)
BALANCED = st.tuples(st.integers(1, 5000), st.integers(1, 40)).map(lambda pair: [pair[0]] * pair[1])
START = Progress(0, 4)


def facts(counts: list[int], accuracy: list[float] | None = None) -> Facts:
    names = tuple(f"class {c}" for c in range(len(counts)))
    return Facts(tuple(counts), names, 1, None if accuracy is None else tuple(accuracy))


@given(COUNTS | BALANCED)
def test_loss_weights(counts: list[int]) -> None:
    for scheme, top in (("max-ratio", max(counts)), ("inverse", 1)):
        expected = [top / n if n else 1.0 for n in counts]
        weights_C = parse(f"loss-weights(scheme={scheme})").class_weights_C(facts(counts), START)
        np.testing.assert_allclose(weights_C, expected, rtol=1e-12)  # type: ignore[arg-type]


def test_both_schemes_give_the_same_gradient_under_the_weighted_mean() -> None:
    gradients = []
    labels_B = torch.tensor([0, 0, 1, 2, 2, 2])
    for scheme in ("max-ratio", "inverse"):
        weights_C = parse(f"loss-weights(scheme={scheme})").class_weights_C(facts([300, 20, 1, 0]), START)
        logits_BC = torch.linspace(-3, 3, 24, dtype=torch.float64).reshape(6, 4).requires_grad_()
        torch.nn.functional.cross_entropy(logits_BC, labels_B, weight=torch.from_numpy(weights_C)).backward()
        gradients.append(logits_BC.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-12, atol=0)


@given(COUNTS | BALANCED)
def test_oversample_is_the_studys_weighted_sampler(counts: list[int]) -> None:
    per_sample = [1 / n for n in counts for _ in range(n)]  # the study's weights, one per sample
    total = math.fsum(per_sample)
    expected = [math.fsum([1 / n] * n) / total if n else 0.0 for n in counts]
    np.testing.assert_allclose(parse("oversample").sampling_C(facts(counts), START), expected, rtol=1e-9)  # type: ignore[arg-type]


@given(COUNTS | BALANCED, st.floats(0.01, 5))
def test_oversample_rare_lifts_to_the_level(counts: list[int], fraction: float) -> None:
    p_C = parse(f"oversample-rare(fraction={fraction!r})").sampling_C(facts(counts), START)
    held = [n for n in counts if n]
    level = fraction * sum(held) / len(held)
    lifted = [max(n, level) if n else 0.0 for n in counts]
    if all(n >= level for n in held):
        assert p_C is None
        return
    assert p_C is not None
    np.testing.assert_allclose(p_C, [n / math.fsum(lifted) for n in lifted], rtol=1e-9)
    natural_C = np.array(counts) / sum(counts)
    assert (p_C >= natural_C / (1 + fraction) * (1 - 1e-9)).all(), "the bound that the docstring states"


@given(COUNTS | BALANCED, st.floats(0.05, 1), st.floats(1.1, 20), st.data())
def test_oversample_weak_multiplies_weak_classes(
    counts: list[int], threshold: float, factor: float, data: st.DataObject
) -> None:
    strategy = parse(f"oversample-weak(threshold={threshold!r},factor={factor!r})")
    assert strategy.sampling_C(facts(counts), START) is None
    accuracy = data.draw(st.lists(st.floats(0, 1) | st.just(math.nan), min_size=len(counts), max_size=len(counts)))
    p_C = strategy.sampling_C(facts(counts, accuracy), START)
    weak = [math.isnan(a) or a < threshold for a in accuracy]
    drawn = [n * (factor if is_weak else 1) for n, is_weak in zip(counts, weak, strict=True)]
    if drawn == counts:
        assert p_C is None
        return
    np.testing.assert_allclose(p_C, [d / math.fsum(drawn) for d in drawn], rtol=1e-9)  # type: ignore[arg-type]


@given(COUNTS | BALANCED, st.floats(0.05, 1), st.floats(0.1, 10), st.floats(0.01, 0.9))
def test_minority_augment_grows_with_rarity(counts: list[int], strength: float, border: float, full_at: float) -> None:
    strategy = parse(f"minority-augment(strength={strength!r},border={border!r},full-at={full_at!r})")
    pipeline = strategy.augmentation(facts(counts))
    held = [n for n in counts if n]
    level = border * sum(held) / len(held)
    expected = []
    for n in counts:
        steps = math.log(level / n) / math.log(1 / full_at) if n else 0.0
        expected.append(strength * min(1.0, max(0.0, steps)))
    if pipeline is None:
        assert max(expected) < 1e-9
        return
    np.testing.assert_allclose(pipeline.strength_C, expected, rtol=1e-6, atol=1e-9)


def test_minority_augment_leaves_majority_classes_and_balanced_data_alone() -> None:
    pipeline = parse("minority-augment").augmentation(facts([1000, 400, 100, 10, 1, 0]))
    assert pipeline is not None
    s_C = pipeline.strength_C
    assert s_C[:2] == (0.0, 0.0)
    assert 0 < s_C[2] < s_C[3] == s_C[4] == 1.0
    assert s_C[5] == 0.0
    assert parse("minority-augment").augmentation(facts([50, 50, 50])) is None


@pytest.mark.parametrize(
    "text",
    ["oversample", "oversample-rare", "oversample-rare(fraction=2)", "oversample-weak", "oversample+loss-weights"],
)
def test_classes_are_drawn_as_often_as_the_distribution_says(text: str) -> None:
    counts = [6000, 2500, 1000, 300, 150, 49, 1, 0]
    p_C = parse(text).sampling_C(facts(counts, [0.9, 0.2, 0.8, 0.7, 0.1, 0.6, math.nan, math.nan]), START)
    assert p_C is not None
    labels_N = np.repeat(np.arange(len(counts)), counts)
    drawn_C = np.bincount(labels_N[epoch_order(labels_N, p_C, 0, 1, 0)], minlength=len(counts))
    assert drawn_C.sum() == len(labels_N), "an epoch stays as many draws as there are samples"
    sigma_C = np.sqrt(len(labels_N) * p_C * (1 - p_C))
    assert (np.abs(drawn_C - len(labels_N) * p_C) <= 5 * sigma_C).all()
    assert np.abs(drawn_C - counts).max() > 500, "the data as it is would be a resampler that does nothing"
