"""The order of an epoch and the pixels of a batch are functions of their key, and follow the asked distribution."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.suites.suite import Epochs, Recipe
from benchmarks.tools.throughput import photographs
from benchmarks.training.batching import on_device
from benchmarks.training.batching.augment import Augmenter
from benchmarks.training.batching.batches import (
    Batcher,
    affine_B23,
    epoch_order,
    split_batches,
    unit_maps,
    warp,
    warp_on_device,
)

CPU = torch.device("cpu")
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
LABELS = np.repeat([0, 1, 2], [600, 300, 100])


def recipe(**changes: object) -> Recipe:
    return Recipe(image_size=16, epochs=Epochs(), **{"flip": False, **changes})  # type: ignore[arg-type]


def batcher(images_NHWC: np.ndarray, **changes: object) -> Batcher:
    return Batcher(images_NHWC, recipe(**changes), MEAN, STD, CPU)


def test_without_sampling_every_sample_comes_once() -> None:
    order = epoch_order(LABELS, None, 0, 1, 2)
    assert sorted(order) == list(range(1000))
    assert not np.array_equal(order, epoch_order(LABELS, None, 0, 1, 3))


def test_sampling_draws_the_asked_frequencies_and_as_many_samples() -> None:
    asked_C = np.array([0.1, 0.3, 0.6])
    orders = [epoch_order(LABELS, asked_C, 0, 1, epoch) for epoch in range(30)]
    assert all(len(order) == 1000 for order in orders)
    drawn_C = np.bincount(LABELS[np.concatenate(orders)], minlength=3) / 30_000
    np.testing.assert_allclose(drawn_C, asked_C, atol=4 * np.sqrt(0.25 / 30_000))
    within = np.bincount(np.concatenate(orders), minlength=1000)[900:]
    assert within.min() > 0  # every sample of the rarest class is drawn, and none dominates
    assert within.max() < 3 * within.mean()


def test_kept_samples_stay_the_same_for_a_seed_and_stage_and_are_all_that_is_drawn() -> None:
    kept_C = np.array([50, 50, 100])
    for asked_C in (None, np.array([0.2, 0.3, 0.5])):
        orders = [epoch_order(LABELS, asked_C, 0, 1, epoch, kept_C=kept_C) for epoch in range(30)]
        assert all(len(order) == 1000 for order in orders)
        ever = np.unique(np.concatenate(orders))
        assert np.bincount(LABELS[ever]).tolist() == kept_C.tolist()
        drawn_C = np.bincount(LABELS[np.concatenate(orders)]) / 30_000
        wanted_C = kept_C / 200 if asked_C is None else asked_C
        np.testing.assert_allclose(drawn_C, wanted_C, atol=4 * np.sqrt(0.25 / 30_000))
        other = np.unique(np.concatenate([epoch_order(LABELS, asked_C, 0, 2, e, kept_C=kept_C) for e in range(30)]))
        assert not np.array_equal(ever, other)


def test_a_class_without_samples_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="without samples"):
        epoch_order(np.array([0, 0, 2]), np.array([0.5, 0.25, 0.25]), 0)


@given(count=st.integers(1, 5000), size=st.integers(1, 300))
def test_batches_cover_everything_in_nearly_equal_parts(count: int, size: int) -> None:
    parts = list(split_batches(count, size))
    lengths = [part.stop - part.start for part in parts]
    assert np.concatenate([np.arange(count)[part] for part in parts]).tolist() == list(range(count))
    assert len(parts) == -(-count // size)
    assert max(lengths) <= size and max(lengths) - min(lengths) <= 1


def test_an_image_without_augmentation_is_itself_normalised() -> None:
    images_NHWC = photographs(4, 16)
    made = batcher(images_NHWC).training(np.arange(4), np.arange(4), 16, 0, 1, 0)
    expected = (images_NHWC / 255.0 - np.array(MEAN)) / np.array(STD)
    np.testing.assert_allclose(made.numpy().transpose(0, 2, 3, 1), expected, atol=1e-5)
    assert torch.equal(made, batcher(images_NHWC).evaluation(np.arange(4)))
    assert made.is_contiguous(memory_format=torch.channels_last)


def test_a_study_recipe_scales_to_zero_one_and_no_further() -> None:
    images_NHWC = photographs(2, 16)
    made = batcher(images_NHWC, normalise="none").evaluation(np.arange(2))
    np.testing.assert_allclose(made.numpy().transpose(0, 2, 3, 1), images_NHWC / 255.0, atol=1e-6)


def test_a_sample_is_augmented_the_same_in_whatever_batch_it_stands() -> None:
    images_NHWC = photographs(10, 16)
    make = batcher(images_NHWC, flip=True, shift=0.2, zoom=0.2, rotate=10)
    rows = np.arange(10)
    whole = make.training(rows, rows, 16, 0, 1, 5)
    parts = torch.cat([make.training(rows[p], rows[p], 16, 0, 1, 5) for p in (slice(0, 3), slice(3, 10))])
    assert torch.equal(whole, parts)
    assert not torch.equal(whole, make.training(rows, rows, 16, 0, 1, 6))


def test_augmentation_belongs_to_the_position_in_the_epoch_whichever_image_stands_there() -> None:
    images_NHWC = np.repeat(photographs(1, 16), 10, axis=0)
    make = Batcher(
        images_NHWC, recipe(flip=True, shift=0.2), MEAN, STD, CPU, Augmenter((1.0,), 16), np.ones(10), share=0.5
    )
    rows, positions = np.arange(10), np.arange(10)
    made = make.training(rows, positions, 16, 0, 1, 5)
    assert torch.equal(made, make.training(rows[::-1].copy(), positions, 16, 0, 1, 5))
    assert torch.equal(made.flip(0), make.training(rows, positions[::-1].copy(), 16, 0, 1, 5))
    assert not torch.equal(made, made.flip(0))


def test_flips_mirror_about_half_of_the_samples_and_nothing_else() -> None:
    image = photographs(1, 16)
    images_NHWC = np.repeat(image, 200, axis=0)
    made = batcher(images_NHWC, flip=True).training(np.arange(200), np.arange(200), 16, 0, 1, 0)
    plain = batcher(images_NHWC).evaluation(np.arange(1))[0]
    kept = [torch.allclose(m, plain, atol=1e-5) for m in made]
    mirrored = [torch.allclose(m, plain.flip(-1), atol=1e-5) for m in made]
    assert all(a != b for a, b in zip(kept, mirrored, strict=True))
    assert 60 < sum(mirrored) < 140


def test_shifts_are_whole_pixels_within_reach() -> None:
    maps = affine_B23(recipe(shift=0.25), 16, 16, np.random.default_rng(0).random((500, 5)))
    shifts = maps[:, :, 2]
    np.testing.assert_array_equal(shifts, np.rint(shifts))
    assert np.abs(shifts).max() == 4
    np.testing.assert_array_equal(maps[:, :, :2], np.tile(np.eye(2), (500, 1, 1)))


def test_flips_and_whole_shifts_move_pixels_and_repeat_the_edges() -> None:
    images_NHWC = photographs(64, 16)
    uniforms = np.random.default_rng(0).random((64, 5))
    maps = affine_B23(recipe(flip=True, shift=0.25), 16, 16, uniforms)
    assert len({*map(tuple, maps[:, 0])}) > 10  # mirrored and shifted, in many ways
    made = warp(images_NHWC, maps, 16)
    for image, matrix, out in zip(images_NHWC, maps.astype(int), made, strict=True):
        columns = np.clip(matrix[0, 0] * np.arange(16) + matrix[0, 2], 0, 15)
        rows = np.clip(matrix[1, 1] * np.arange(16) + matrix[1, 2], 0, 15)
        np.testing.assert_array_equal(out, image[rows][:, columns])


def test_smaller_training_sizes_show_the_whole_image() -> None:
    images_NHWC = np.full((3, 16, 16, 3), 77, dtype=np.uint8)
    made = batcher(images_NHWC, normalise="none").training(np.arange(3), np.arange(3), 8, 0, 1, 0)
    assert made.shape == (3, 3, 8, 8)
    torch.testing.assert_close(made, torch.full_like(made, 77 / 255))


@pytest.mark.parametrize(("fraction", "size"), [(0.0, 32), (0.29, 40), (0.3, 48), (0.6, 64), (1.0, 64)])
def test_the_image_side_grows_in_steps_of_eight(fraction: float, size: int) -> None:
    growing = Recipe(image_size=64, epochs=Epochs(), grow_from=32, grow_until=0.6)
    assert growing.size_at(fraction) == size


@pytest.mark.parametrize(
    ("changes", "size", "atol"),
    [
        ({"flip": True, "shift": 0.25}, 16, 1e-5),  # pixels only move
        ({"flip": True, "shift": 0.2, "zoom": 0.2, "rotate": 20}, 16, 0.06),  # OpenCV rounds to 1/32 pixel and to uint8
        ({"flip": True}, 8, 0.06),
    ],
)
def test_batches_made_where_the_images_live_are_those_made_here(
    changes: dict[str, object], size: int, atol: float
) -> None:
    images_NHWC, rows = photographs(40, 16), np.arange(8, 40)
    here, there = (
        Batcher(images_NHWC, recipe(**changes), MEAN, STD, CPU, resident_NHWC=lives)
        for lives in (None, on_device.copy_to(images_NHWC, CPU))
    )
    assert torch.equal(here.evaluation(rows), there.evaluation(rows))
    made, expected = (make.training(rows, rows - 8, size, 0, 1, 0) for make in (there, here))
    torch.testing.assert_close(made, expected, atol=atol, rtol=0)
    strength_N = np.r_[np.zeros(20), np.ones(20)]
    augmenting = Batcher(
        images_NHWC, recipe(**changes), MEAN, STD, CPU, strength_N=strength_N, share=0.5,
        resident_NHWC=on_device.copy_to(images_NHWC, CPU),
    )  # fmt: skip
    augmented = augmenting.training(rows, rows - 8, size, 0, 1, 0)
    torch.testing.assert_close(augmented[:12], made[:12], atol=1e-5, rtol=0)
    changed = [not torch.allclose(one, other, atol=1e-4) for one, other in zip(augmented[12:], made[12:], strict=True)]
    assert 0.2 < np.mean(changed) < 0.8
    for images_BCHW in (made, augmented):
        assert images_BCHW.is_contiguous(memory_format=torch.channels_last)


def test_images_are_carried_in_pieces_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    images_NHWC = photographs(10, 16)
    monkeypatch.setattr(on_device, "PIECE_BYTES", 3 * 16 * 16 * 3)
    np.testing.assert_array_equal(on_device.copy_to(images_NHWC, CPU).numpy(), images_NHWC)
    assert not on_device.fits(images_NHWC, CPU)


def test_a_share_of_the_draws_is_augmented_and_the_others_stay_as_they_are() -> None:
    images_NHWC = np.repeat(photographs(1, 16), 400, axis=0)
    strength_N = np.r_[np.zeros(100), np.ones(300)]
    make = Batcher(
        images_NHWC, recipe(), MEAN, STD, CPU, augmenter=Augmenter((1.0,), 16), strength_N=strength_N, share=0.25
    )
    rows = np.arange(400)
    made = make.training(rows, rows, 16, 0, 1, 0)
    plain = batcher(images_NHWC).evaluation(np.arange(1))[0]
    changed = np.array([not torch.equal(m, plain) for m in made])
    assert not changed[:100].any()
    assert 0.15 < changed[100:].mean() < 0.35


def test_a_warp_on_the_device_follows_torchs_affine_grid() -> None:
    images_BCHW = torch.rand(6, 3, 16, 16)
    maps_B23 = affine_B23(recipe(rotate=30, zoom=0.3, shift=0.2), 16, 12, np.random.default_rng(0).random((6, 5)))
    theta_B23 = torch.from_numpy(unit_maps(maps_B23, 16, 12))
    grid_BHW2 = torch.nn.functional.affine_grid(theta_B23, [6, 3, 12, 12], align_corners=False)
    expected = torch.nn.functional.grid_sample(images_BCHW, grid_BHW2, padding_mode="border", align_corners=False)
    torch.testing.assert_close(warp_on_device(images_BCHW, theta_B23, 12), expected, atol=1e-5, rtol=0)
