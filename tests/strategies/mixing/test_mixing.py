"""Mixup, remix and cutmix against NumPy float64 written from the papers; randomness from the generator alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from strategies.base import Batch, Facts
from strategies.combining.expression import parse
from strategies.mixing.cutmix import draw_box
from strategies.mixing.mixup import draw_beta, draw_partners

FACTS = Facts((900, 300, 299, 3, 1, 0), tuple("abcdef"))
MIXING = ["mixup", "mixup(alpha=1)", "remix", "remix(kappa=1,tau=1)", "cutmix", "cutmix(alpha=0.3)"]
SIZES = [1, 2, 3, 7, 32]


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(size: int, seed: int = 0, height: int = 6, width: int = 9) -> Batch:
    draws = generator(seed)
    images = torch.randn(size, 3, height, width, generator=draws, dtype=torch.float64)
    labels = torch.randint(0, 5, (size,), generator=draws)
    return Batch(images, labels, torch.nn.functional.one_hot(labels, 6).double())


def drawn(given: Batch, alpha: float, seed: int) -> tuple[float, np.ndarray, torch.Generator]:
    """Return lambda and the partners that a strategy draws, and the generator after that."""
    draws = generator(seed)
    return draw_beta(alpha, draws), draw_partners(given, draws).numpy(), draws


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_mixup_blends_images_and_targets_alike(size: int, alpha: float) -> None:
    given = batch(size)
    mixed = parse(f"mixup(alpha={alpha})").mix(given, FACTS, generator(5))
    share, partner_B, _ = drawn(given, alpha, 5)
    for made, was in ((mixed.images_BCHW, given.images_BCHW), (mixed.y_BC, given.y_BC)):
        expected = share * was.numpy() + (1 - share) * was.numpy()[partner_B]
        np.testing.assert_allclose(made.numpy(), expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("kappa", [1.0, 3.0, 100.0])
@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0])
def test_remix_gives_the_target_to_the_rarer_class(kappa: float, tau: float) -> None:
    cases = set()
    for seed in range(12):
        given = batch(32, seed)
        mixed = parse(f"remix(kappa={kappa},tau={tau})").mix(given, FACTS, generator(seed))
        share, partner_B, _ = drawn(given, 1.0, seed)
        for row, other in enumerate(partner_B):
            n, m = FACTS.counts[given.labels_B[row]], FACTS.counts[given.labels_B[other]]
            target_share, case = share, "mixup"
            if n / m >= kappa and share < tau:
                target_share, case = 0.0, "second"
            if n / m <= 1 / kappa and 1 - share < tau:
                target_share, case = 1.0, "first"
            cases.add(case)
            expected = target_share * given.y_BC[row].numpy() + (1 - target_share) * given.y_BC[other].numpy()
            np.testing.assert_allclose(mixed.y_BC[row].numpy(), expected, rtol=1e-6, atol=1e-12)
        plain = parse("mixup(alpha=1)").mix(given, FACTS, generator(seed))
        assert torch.equal(plain.images_BCHW, mixed.images_BCHW), "images are mixed as mixup does"
    assert cases == ({"mixup"} if tau == 0 else {"mixup", "first", "second"} if tau < 1 or kappa > 1 else cases)


def test_remix_at_exactly_kappa_and_with_an_empty_class() -> None:
    given = Batch(torch.zeros(2, 3, 2, 2), torch.tensor([0, 1]), torch.eye(6)[:2])  # 900 / 300 is kappa
    labels = set()
    for seed in range(20):
        mixed = parse("remix").mix(given, FACTS, generator(seed))
        share, partner_B, _ = drawn(given, 1.0, seed)
        if partner_B.tolist() == [1, 0]:
            labels.add((share < 0.5, mixed.y_BC[0, 1].item() == 1, mixed.y_BC[1, 1].item() == 1))
    assert labels == {(True, True, False), (False, False, True)}
    empty = Batch(torch.zeros(2, 3, 2, 2), torch.tensor([5, 5]), torch.eye(6)[[5, 5]])
    assert torch.equal(parse("remix").mix(empty, FACTS, generator(0)).y_BC, empty.y_BC)


@pytest.mark.parametrize("size", SIZES)
def test_cutmix_pastes_one_box_and_weighs_the_target_by_its_area(size: int) -> None:
    areas = set()
    for seed in range(15):
        given = batch(size, seed, 7, 12)
        mixed = parse("cutmix").mix(given, FACTS, generator(seed))
        share, partner_B, draws = drawn(given, 1.0, seed)
        top, bottom, left, right = draw_box(7, 12, share, draws)
        mask_HW = np.zeros((7, 12), dtype=bool)
        mask_HW[top:bottom, left:right] = True
        expected = np.where(mask_HW, given.images_BCHW.numpy()[partner_B], given.images_BCHW.numpy())
        np.testing.assert_array_equal(mixed.images_BCHW.numpy(), expected)
        kept = 1 - mask_HW.sum() / mask_HW.size
        y_BC = kept * given.y_BC.numpy() + (1 - kept) * given.y_BC.numpy()[partner_B]
        np.testing.assert_allclose(mixed.y_BC.numpy(), y_BC, rtol=1e-6, atol=1e-12)
        areas.add(int(mask_HW.sum()))
    assert len(areas) > 5


def test_the_box_has_the_papers_sides_where_the_border_does_not_cut_it() -> None:
    draws, whole = generator(0), 0
    for share in (0.0, 0.3, 0.75, 0.96, 1.0):
        side = np.sqrt(1 - share)
        for _ in range(200):
            top, bottom, left, right = draw_box(100, 200, share, draws)
            assert 0 <= top <= bottom <= 100
            assert 0 <= left <= right <= 200
            if top > 0 and bottom < 100 and left > 0 and right < 200:
                whole += 1
                assert abs((bottom - top) - 100 * side) <= 2
                assert abs((right - left) - 200 * side) <= 2
    assert whole > 200


@pytest.mark.parametrize("text", MIXING)
def test_mixing_is_a_function_of_the_generator_and_leaves_what_it_was_given(text: str) -> None:
    given = batch(9)
    before = [t.clone() for t in (given.images_BCHW, given.labels_B, given.y_BC)]
    state = torch.get_rng_state()
    one, same, other = (parse(text).mix(given, FACTS, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(one.images_BCHW, same.images_BCHW) and torch.equal(one.y_BC, same.y_BC)
    assert not torch.equal(one.images_BCHW, other.images_BCHW)
    assert all(map(torch.equal, before, (given.images_BCHW, given.labels_B, given.y_BC)))
    torch.testing.assert_close(one.y_BC.sum(1), torch.ones(9, dtype=torch.float64))
    assert (one.y_BC >= 0).all()


@pytest.mark.parametrize("text", MIXING)
def test_a_batch_of_one_stays_as_it_is(text: str) -> None:
    given = batch(1)
    for seed in range(5):
        mixed = parse(text).mix(given, FACTS, generator(seed))
        torch.testing.assert_close(mixed.images_BCHW, given.images_BCHW)
        torch.testing.assert_close(mixed.y_BC, given.y_BC)


def test_lambda_is_drawn_from_the_beta_distribution() -> None:
    draws = generator(0)
    for alpha in (0.2, 1.0, 5.0):
        shares = np.array([draw_beta(alpha, draws) for _ in range(4000)])
        assert shares.mean() == pytest.approx(0.5, abs=0.04)
        assert shares.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)
