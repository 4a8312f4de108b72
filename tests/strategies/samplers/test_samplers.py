"""The literature's samplers: their exact class distributions, their schedules, and what is really drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.training.batching.batches import epoch_order
from strategies.base import Facts, Progress
from strategies.combining.expression import parse

COUNTS = st.lists(st.sampled_from([0, 1, 2]) | st.integers(0, 20_000), min_size=2, max_size=40).filter(any)
TAIL = (6000, 2500, 1000, 300, 150, 49, 1, 0)


def facts(counts: tuple[int, ...] | list[int]) -> Facts:
    return Facts(tuple(counts), ("",) * len(counts))


def drawn(text: str, counts: tuple[int, ...], epoch: int, epochs: int = 5, seed: int = 0) -> np.ndarray:
    """Return the positions that an epoch draws, as the runner draws them."""
    strategy, progress = parse(text), Progress(epoch, epochs)
    labels_N = np.repeat(np.arange(len(counts)), counts)
    sampling_C, kept_C = strategy.sampling_C(facts(counts), progress), strategy.kept_C(facts(counts), progress)
    return epoch_order(labels_N, sampling_C, seed, 1, epoch, kept_C=kept_C)


@given(COUNTS)
def test_square_root_sampling(counts: list[int]) -> None:
    p_C = parse("sqrt-sampling").sampling_C(facts(counts), Progress(0, 4))
    np.testing.assert_allclose(p_C, [n**0.5 / math.fsum(m**0.5 for m in counts) for n in counts], rtol=1e-9)  # type: ignore[arg-type]


@given(COUNTS, st.integers(1, 300), st.data())
def test_progressive_sampling(counts: list[int], epochs: int, data: st.DataObject) -> None:
    epoch = data.draw(st.integers(0, epochs - 1))
    p_C = parse("progressive-sampling").sampling_C(facts(counts), Progress(epoch, epochs))
    t = float(np.linspace(0, 1, epochs)[epoch]) if epochs > 1 else 1.0
    held = sum(n > 0 for n in counts)
    wanted = [(1 - t) * n / sum(counts) + t * (n > 0) / held for n in counts]
    np.testing.assert_allclose(p_C, wanted, rtol=1e-9)  # type: ignore[arg-type]


def test_progressive_sampling_ends_balanced_however_short_the_stage() -> None:
    for epochs in (1, 2, 7):
        p_C = parse("progressive-sampling").sampling_C(facts(TAIL), Progress(epochs - 1, epochs))
        np.testing.assert_allclose(p_C, [1 / 7] * 7 + [0], rtol=1e-12, atol=1e-15)  # type: ignore[arg-type]


@given(COUNTS, st.integers(1, 300), st.data())
def test_bbn_sampling(counts: list[int], epochs: int, data: st.DataObject) -> None:
    epoch = data.draw(st.integers(0, epochs - 1))
    p_C = parse("bbn-sampling").sampling_C(facts(counts), Progress(epoch, epochs))
    a, inverse = 1 - (epoch / epochs) ** 2, sum(1 / n for n in counts if n)
    wanted = [a * n / sum(counts) + (1 - a) * (1 / n / inverse if n else 0) for n in counts]
    np.testing.assert_allclose(p_C, wanted, rtol=1e-9)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "epoch"),
    [("sqrt-sampling", 0), ("progressive-sampling", 2), ("progressive-sampling", 4), ("bbn-sampling", 4)],
)
def test_classes_are_drawn_as_often_as_the_distribution_says(text: str, epoch: int) -> None:
    p_C = parse(text).sampling_C(facts(TAIL), Progress(epoch, 5))
    assert p_C is not None
    labels_N = np.repeat(np.arange(len(TAIL)), TAIL)
    drawn_C = np.bincount(labels_N[drawn(text, TAIL, epoch)], minlength=len(TAIL))
    assert drawn_C.sum() == sum(TAIL), "steps are matched"
    sigma_C = np.sqrt(sum(TAIL) * p_C * (1 - p_C))
    assert (np.abs(drawn_C - sum(TAIL) * p_C) <= 5 * sigma_C).all()
    assert np.abs(drawn_C - TAIL).max() > 500, "the data as it is would be a resampler that does nothing"


@given(COUNTS, st.integers(1, 50))
def test_undersampling_keeps_what_the_smallest_class_has(counts: list[int], least: int) -> None:
    kept_C = parse(f"undersample(least={least})").kept_C(facts(counts), Progress(0, 4))
    level = max(least, min(n for n in counts if n))
    wanted = [min(n, level) for n in counts]
    assert (counts if kept_C is None else kept_C.tolist()) == wanted
    assert (kept_C is None) == (wanted == counts), "balanced data stays as it is"


def test_undersampling_never_shows_what_it_does_not_keep_and_matches_the_steps() -> None:
    counts = (300, 80, 40, 0, 12)
    labels_N = np.repeat(np.arange(5), counts)
    seen_EN = [drawn("undersample", counts, epoch) for epoch in range(30)]
    assert {len(seen_N) for seen_N in seen_EN} == {sum(counts)}
    ever = np.unique(np.concatenate(seen_EN))
    assert np.bincount(labels_N[ever], minlength=5).tolist() == [12, 12, 12, 0, 12]
    drawn_C = np.bincount(labels_N[np.concatenate(seen_EN)], minlength=5) / (30 * sum(counts))
    np.testing.assert_allclose(drawn_C, [0.25, 0.25, 0.25, 0, 0.25], atol=5 * math.sqrt(0.19 / (30 * sum(counts))))
    assert not np.array_equal(np.sort(seen_EN[0]), np.sort(seen_EN[1])), "the draws themselves differ by epoch"
    other = np.unique(np.concatenate([drawn("undersample", counts, epoch, seed=1) for epoch in range(30)]))
    assert not np.array_equal(ever, other), "another seed keeps others"


def test_undersampling_with_a_floor_draws_every_kept_sample_equally_often() -> None:
    counts = (300, 80, 6)
    labels_N = np.repeat(np.arange(3), counts)
    seen_N = np.concatenate([drawn("undersample(least=24)", counts, epoch) for epoch in range(40)])
    assert np.bincount(labels_N[np.unique(seen_N)]).tolist() == [24, 24, 6]
    np.testing.assert_allclose(np.bincount(labels_N[seen_N]) / len(seen_N), [24 / 54, 24 / 54, 6 / 54], atol=0.02)


def test_in_a_combination_the_sampler_keeps_what_it_keeps_alone() -> None:
    alone, joined = parse("undersample"), parse("focal+undersample")
    np.testing.assert_array_equal(joined.kept_C(facts(TAIL), Progress(0, 4)), alone.kept_C(facts(TAIL), Progress(0, 4)))  # type: ignore[arg-type]
    assert parse("focal+oversample").kept_C(facts(TAIL), Progress(0, 4)) is None
