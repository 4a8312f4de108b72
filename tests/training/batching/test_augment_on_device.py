"""The batched minority augmentation against Albumentations: the same parameters give the same pixels."""

from __future__ import annotations

import os

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import albumentations as A
import cv2
import numpy as np
import pytest
import torch

from benchmarks.tools.throughput import photographs
from benchmarks.training.batching.augment import Augmenter, build_pipeline
from benchmarks.training.batching.augment_on_device import (
    COLUMNS,
    Changes,
    EpochChanges,
    affine_maps,
    draw,
    joined,
    noise,
)
from benchmarks.training.batching.batches import unit_maps, warp, warp_on_device

SIDE, CPU = 32, torch.device("cpu")
IMAGES_NHWC = photographs(6, SIDE)


def _numbers(**columns: float) -> np.ndarray:
    """Return float32 [N, K] with these columns for every image."""
    given = {"contrast": 1.0, **columns}
    return np.tile(np.array([given.get(name, 0.0) for name in COLUMNS], dtype=np.float32), (len(IMAGES_NHWC), 1))


def _changed(numbers_NK: np.ndarray, radius: int = 10) -> np.ndarray:
    """Return the images changed without a warp, in 0..255."""
    maps_N23 = np.tile(np.eye(2, 3), (len(IMAGES_NHWC), 1, 1))
    changes = EpochChanges(Changes(maps_N23, numbers_NK, np.arange(len(IMAGES_NHWC)), radius), CPU)
    images_BCHW = torch.from_numpy(IMAGES_NHWC).permute(0, 3, 1, 2).float() / 255
    return 255 * changes.apply(images_BCHW, slice(None), SIDE).permute(0, 2, 3, 1).numpy()


def _by(transform: A.BasicTransform) -> np.ndarray:
    return np.stack([A.Compose([transform])(image=image)["image"] for image in IMAGES_NHWC]).astype(float)


@pytest.mark.parametrize(("contrast", "brightness"), [(0.3, 0.0), (-0.25, 0.2), (0.1, -0.3)])
def test_light_is_albumentations(contrast: float, brightness: float) -> None:
    theirs = _by(A.RandomBrightnessContrast((brightness, brightness), (contrast, contrast), p=1))
    np.testing.assert_allclose(_changed(_numbers(contrast=1 + contrast, brightness=brightness)), theirs, atol=1)


@pytest.mark.parametrize(("hue", "saturation"), [(10, 0), (-9, 0), (0, 28), (0, -30), (7, -20)])
def test_hue_and_saturation_are_albumentations(hue: float, saturation: float) -> None:
    theirs = _by(A.HueSaturationValue((hue, hue), (saturation, saturation), (0, 0), p=1))
    ours = _changed(_numbers(hue=hue / 180, saturation=saturation / 255))
    assert np.abs(ours - theirs).max() <= 8 and np.abs(ours - theirs).mean() < 2, "bytes hold hues of 2 degrees"


@pytest.mark.parametrize("sigma", [0.25, 0.6, 1.4, 2.9])
def test_the_blur_is_albumentations(sigma: float) -> None:
    theirs = _by(A.GaussianBlur(blur_limit=0, sigma_limit=(sigma, sigma), p=1))
    np.testing.assert_allclose(_changed(_numbers(sigma=sigma)), theirs, atol=1.5)


def test_noise_has_albumentations_spread_and_another_draw_for_each_pixel_and_image() -> None:
    factor_NHW = (_changed(_numbers(noise=0.15)) / IMAGES_NHWC.clip(1))[..., 0]
    factor_NHW = factor_NHW[(IMAGES_NHWC[..., 0] > 40) & (IMAGES_NHWC[..., 0] < 215)]
    assert 0.845 < factor_NHW.min() < 0.86 and 1.14 < factor_NHW.max() < 1.155
    assert abs(factor_NHW.mean() - 1) < 0.01 and abs(factor_NHW.std() - 0.3 / 12**0.5) < 0.004
    draws_NHW = noise(torch.arange(6), SIDE, SIDE)[:, 0].numpy()
    for one, other in ((draws_NHW[0], draws_NHW[1]), (draws_NHW[:, 1:], draws_NHW[:, :-1])):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.1


def test_a_hole_covers_whole_pixels_with_one_colour() -> None:
    ours = _changed(_numbers(left=4 / SIDE, right=10 / SIDE, top=20 / SIDE, bottom=23 / SIDE, red=1.0, blue=0.5))
    expected = IMAGES_NHWC.astype(float)
    expected[:, 20:23, 4:10] = (255, 0, 127.5)
    np.testing.assert_allclose(ours, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("scale", "shift_px", "rotate", "shear"),
    [
        ((0.8, 1.2), (3, -2), 0.0, (0.0, 0.0)),
        ((1.0, 1.0), (0, 0), 20.0, (0.0, 0.0)),
        ((1.1, 0.9), (1, 2), -15.0, (8, -5)),
    ],
)
def test_the_map_is_albumentations(
    scale: tuple[float, float], shift_px: tuple[int, int], rotate: float, shear: tuple[float, float]
) -> None:
    def same(pair: tuple[float, float]) -> dict[str, tuple[float, float]]:
        return {"x": (pair[0], pair[0]), "y": (pair[1], pair[1])}

    shift = same(((shift_px[0] + np.sign(shift_px[0]) * 0.5) / SIDE, (shift_px[1] + np.sign(shift_px[1]) * 0.5) / SIDE))
    theirs = _by(
        A.Affine(
            scale=same(scale),
            translate_percent=shift,
            rotate=(rotate, rotate),
            shear=same(shear),
            border_mode=cv2.BORDER_REPLICATE,
            p=1,
        )  # fmt: skip
    )
    one = {"rotate_N": np.array([rotate]), "scale_N2": np.array([scale]), "shift_N2": np.array([shift_px], float)}
    maps_N23 = np.repeat(affine_maps(SIDE, **one, shear_N2=np.array([shear])), len(IMAGES_NHWC), axis=0)
    images_BCHW = torch.from_numpy(IMAGES_NHWC).permute(0, 3, 1, 2).float()
    ours = warp_on_device(images_BCHW, torch.from_numpy(unit_maps(maps_N23, SIDE, SIDE)), SIDE)
    difference = np.abs(ours.permute(0, 2, 3, 1).numpy() - theirs)
    assert difference.mean() < 1.5 and difference.max() < 16, "OpenCV rounds to 1/32 pixel"


def test_two_maps_in_one_sampling_are_two_samplings() -> None:
    shifts, turn = (
        np.tile([[[1.0, 0, 3], [0, 1, -2]]], (6, 1, 1)),
        np.tile([[[0.0, 1, 0], [-1, 0, SIDE - 1.0]]], (6, 1, 1)),
    )
    twice = warp(warp(IMAGES_NHWC, turn, SIDE), shifts, SIDE)
    np.testing.assert_array_equal(warp(IMAGES_NHWC, joined(shifts, turn), SIDE)[:, 2:, :-3], twice[:, 2:, :-3])


def test_the_draws_have_albumentations_strength_and_belong_to_the_position() -> None:
    """As far from the original on the average as the pipeline that they stand for, at two strengths."""
    image_HWC, count = IMAGES_NHWC[0], 300
    for strength in (0.5, 1.0):
        augmenter = Augmenter((strength,), SIDE)
        theirs = [
            np.abs(augmenter.apply(image_HWC, strength, s) - image_HWC.astype(float)).mean() for s in range(count)
        ]
        drawn = draw(np.full(count, strength), 1.0, SIDE, np.arange(count), (0, 1, 0))
        images_BCHW = torch.from_numpy(image_HWC).permute(2, 0, 1)[None].float().expand(count, -1, -1, -1) / 255
        moved_BCHW = warp_on_device(images_BCHW, torch.from_numpy(unit_maps(drawn.maps_N23, SIDE, SIDE)), SIDE)
        made_BCHW = EpochChanges(drawn, CPU).apply(moved_BCHW, slice(None), SIDE)
        ours = 255 * (made_BCHW - images_BCHW).abs().mean((1, 2, 3)).numpy()
        assert np.mean(ours) == pytest.approx(np.mean(theirs), rel=0.15)
        assert np.std(ours) == pytest.approx(np.std(theirs), rel=0.35)
        part = draw(np.full(3, strength), 1.0, SIDE, np.array([7, 5, 299]), (0, 1, 0))
        np.testing.assert_array_equal(part.numbers_NK, drawn.numbers_NK[[7, 5, 299]])
        np.testing.assert_array_equal(part.maps_N23, drawn.maps_N23[[7, 5, 299]])


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_ranges_and_shares_are_those_of_the_pipeline(strength: float) -> None:
    affine, light, tint, one_of, hole = build_pipeline(strength, SIDE).transforms
    blur, spread = one_of.transforms
    drawn = draw(np.full(20_000, strength), 1.0, SIDE, np.arange(20_000), (0, 1, 0))
    of = dict(zip(COLUMNS, drawn.numbers_NK.T.astype(float), strict=True))
    width, height = of["right"] - of["left"], of["bottom"] - of["top"]
    reaches = {  # largest draw, and how often there is one
        "contrast": (of["contrast"] - 1, light.contrast_limit[1], light.p),
        "brightness": (of["brightness"], light.brightness_limit[1], light.p),
        "hue": (of["hue"] * 180, tint.hue_shift_limit[1], tint.p),
        "saturation": (of["saturation"] * 255, tint.sat_shift_limit[1], tint.p),
        "sigma": (of["sigma"], blur.sigma_limit[1], one_of.p / 2),
        "noise": (of["noise"], spread.multiplier[1] - 1, one_of.p / 2),
        "width": (width, int(SIDE * hole.hole_width_range[1]) / SIDE, hole.p),
        "height": (height, int(SIDE * hole.hole_height_range[1]) / SIDE, hole.p),
        "map": (drawn.maps_N23[:, 0, 1], None, affine.p),
    }
    for name, (values_N, largest, share) in reaches.items():
        assert (values_N != 0).mean() == pytest.approx(share, abs=0.015), name
        assert largest is None or np.abs(values_N).max() == pytest.approx(largest, rel=0.02), name
    for name in ("contrast", "brightness", "hue", "saturation"):
        assert reaches[name][0].min() == pytest.approx(-reaches[name][1], rel=0.02), name
    assert min(of["left"].min(), of["top"].min()) == 0 and max(of["right"].max(), of["bottom"].max()) == 1
    zoom_N = np.linalg.det(drawn.maps_N23[:, :, :2]) ** -0.5
    assert zoom_N.max() == pytest.approx(affine.scale["x"][1], rel=0.04)
    turned = np.rad2deg(np.arctan2(drawn.maps_N23[:, 0, 1], drawn.maps_N23[:, 0, 0]))
    assert affine.rotate[1] < np.abs(turned).max() < affine.rotate[1] + 2.2 * affine.shear["x"][1]


def test_strength_zero_and_the_other_share_leave_images_as_they_are() -> None:
    drawn = draw(np.r_[np.zeros(100), np.ones(300)], 0.25, SIDE, np.arange(400), (0, 1, 0))
    plain = _numbers()[0]
    same = (drawn.maps_N23 == np.eye(2, 3)).all((1, 2))
    same &= (drawn.numbers_NK[:, : COLUMNS.index("left")] == plain[: COLUMNS.index("left")]).all(1)
    same &= drawn.numbers_NK[:, COLUMNS.index("left")] == drawn.numbers_NK[:, COLUMNS.index("right")]
    assert same[:100].all() and 0.15 < (~same[100:]).mean() < 0.35
    np.testing.assert_allclose(_changed(_numbers()), IMAGES_NHWC, atol=1e-3)
