"""The minority augmentation of `augment.py` on a GPU: drawn once per epoch, computed once per batch.

The transforms and their ranges are the same; the draws differ, and nothing is rounded to bytes in between. The affine
map is composed with the recipe's, so that an image is resampled once; the other transforms act on the result. All
draws for an image are a function of (seed, stage, epoch, position). N positions of an epoch, B of a batch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from backbones.seeds import seed_for
from benchmarks.support.keys import sample_bits, sample_uniforms
from benchmarks.training.batching.augment import LEVELS, largest_sigma
from benchmarks.training.batching.on_device import to_device

# columns of `Changes.numbers_NK`; 0 leaves an image unchanged, except for `contrast`, which is a factor
COLUMNS = (
    "contrast", "brightness", "hue", "saturation", "sigma", "noise", "left", "top", "right", "bottom", "red", "green",
    "blue",
)  # fmt: skip
_DRAWS = 26


@dataclasses.dataclass(frozen=True)
class Changes:
    """The augmentation of each image of an epoch.

    `maps_N23`: affine maps from pixels of the changed image to those of the given one, float64. `numbers_NK`: float32,
    a column for each of `COLUMNS`: brightness and saturation in units of the largest value, hue in turns, the blur's
    `sigma` in pixels, `noise` as the largest factor less one, a hole's borders in fractions of the side, its colour.
    `seeds_N`: seeds of the noise, int64 below 2**32. `radius`: pixels that the widest blur can reach.
    """

    maps_N23: np.ndarray
    numbers_NK: np.ndarray
    seeds_N: np.ndarray
    radius: int


def draw(
    strength_N: np.ndarray, share: float, side: int, positions_N: np.ndarray, key: tuple[int | str, ...]
) -> Changes:
    """Return the changes for images of `side` pixels with these strengths in [0, 1], a `share` of which is changed."""
    drawn = seed_for(*key, "minority on device")
    u = iter(sample_uniforms(drawn, positions_N, _DRAWS).T)
    s_N = np.ceil(np.where(next(u) < share, strength_N, 0.0) * LEVELS) / LEVELS

    def within(reach: float) -> np.ndarray:
        """Return draws between -reach and reach, in proportion to the strength."""
        return reach * s_N * (2 * next(u) - 1)

    maps_N23 = affine_maps(
        side, scale_N2=np.stack([1 + within(0.25), 1 + within(0.25)], axis=1),
        shift_N2=np.trunc(side * np.stack([within(0.12), within(0.12)], axis=1)), rotate_N=within(20.0),
        shear_N2=np.stack([within(10.0), within(10.0)], axis=1),
    )  # fmt: skip
    moved_N = (s_N > 0) & (next(u) < 0.5 + 0.5 * s_N)
    maps_N23[~moved_N] = np.eye(2, 3)
    numbers = dict.fromkeys(COLUMNS, np.zeros(len(s_N)))
    lit_N = next(u) < 0.8
    numbers["contrast"], numbers["brightness"] = 1 + within(0.3) * lit_N, within(0.3) * lit_N
    tinted_N = next(u) < 0.5 * s_N
    numbers["hue"], numbers["saturation"] = within(10 / 180) * tinted_N, within(30 / 255) * tinted_N
    spoilt_N, blurred_N = next(u) < 0.4 * s_N, next(u) < 0.5
    sigma_N = 0.2 + (largest_sigma(s_N, side) - 0.2) * next(u)
    numbers["sigma"] = np.where(spoilt_N & blurred_N, sigma_N, 0.0)
    numbers["noise"] = np.where(spoilt_N & ~blurred_N, 0.15 * s_N, 0.0)
    numbers |= _holes(s_N, side, next(u) < 0.5 * s_N, np.stack([next(u) for _ in range(7)]))
    radius = int(3.5 * largest_sigma(float(s_N.max(initial=0.0)), side))
    seeds_N = (sample_bits(seed_for(*key, "noise"), positions_N, 1)[:, 0] >> np.uint64(32)).astype(np.int64)
    return Changes(maps_N23, np.stack([numbers[name] for name in COLUMNS], axis=1).astype(np.float32), seeds_N, radius)


def affine_maps(
    side: int, *, scale_N2: np.ndarray, shift_N2: np.ndarray, rotate_N: np.ndarray, shear_N2: np.ndarray
) -> np.ndarray:
    """Return maps [N, 2, 3] from changed to given pixels: scaled about the centre, turned, sheared, shifted."""
    cos_N, sin_N = np.cos(np.deg2rad(rotate_N)), np.sin(np.deg2rad(rotate_N))
    turn_N22 = np.stack([np.stack([cos_N, sin_N], 1), np.stack([-sin_N, cos_N], 1)], 1)
    tan_N2, one_N = np.tan(np.deg2rad(-shear_N2)), np.ones(len(rotate_N))
    shear_N22 = np.stack([np.stack([one_N, tan_N2[:, 0]], 1), np.stack([tan_N2[:, 1], one_N], 1)], 1)
    inverse_N22 = np.linalg.inv(shear_N22 @ (turn_N22 * scale_N2[:, None, :]))
    centre = np.full(2, (side - 1) / 2)
    offset_N2 = centre - np.einsum("nij,nj->ni", inverse_N22, centre + shift_N2)
    return np.concatenate([inverse_N22, offset_N2[:, :, None]], axis=2)


def _holes(s_N: np.ndarray, side: int, dropped_N: np.ndarray, u_7N: np.ndarray) -> Mapping[str, np.ndarray]:
    """Return the columns of a hole in whole pixels: its borders, empty where none is dropped, and its colour."""
    width_N, height_N = (np.trunc(side * (0.1 + 0.25 * s_N * u_N)) * dropped_N for u_N in u_7N[:2])
    left_N, top_N = (np.floor((side - size_N + 1) * u_N) for size_N, u_N in ((width_N, u_7N[2]), (height_N, u_7N[3])))
    borders = {"left": left_N, "top": top_N, "right": left_N + width_N, "bottom": top_N + height_N}
    colours = dict(zip(("red", "green", "blue"), u_7N[4:], strict=True))
    return {**{name: border_N / side for name, border_N in borders.items()}, **colours}


class EpochChanges:
    """The changes of an epoch on a device, copied there once."""

    def __init__(self, changes: Changes, device: torch.device) -> None:
        """Copy the numbers to the device."""
        self._numbers_NK = to_device(changes.numbers_NK, device)
        self._seeds_N, self._radius = to_device(changes.seeds_N, device), changes.radius

    def apply(self, images_BCHW: Tensor, part: slice, source: int) -> Tensor:
        """Augment images at an epoch's positions `part`, RGB in [0, 1]; `source`: the side in pixels before warping."""
        columns = self._numbers_NK[part].T[:, :, None, None, None]
        of = dict(zip(COLUMNS, columns, strict=True))
        images_BCHW = (images_BCHW * of["contrast"] + of["brightness"]).clamp(0, 1)
        tinted = torch.where((of["hue"] != 0) | (of["saturation"] != 0), shifted_hsv(images_BCHW, of), images_BCHW)
        sigma = of["sigma"] * (images_BCHW.shape[-1] / source)
        blurred = torch.where(sigma > 0, gaussian_blur(tinted, sigma.flatten(), self._radius), tinted)
        noisy = (blurred * (1 + of["noise"] * (2 * noise(self._seeds_N[part], *images_BCHW.shape[2:]) - 1))).clamp(0, 1)
        return with_holes(noisy, of)


def shifted_hsv(images_BCHW: Tensor, of: Mapping[str, Tensor]) -> Tensor:
    """Return RGB images in [0, 1] with hue and saturation shifted; grey pixels stay grey."""
    value = images_BCHW.amax(1, keepdim=True)
    chroma = value - images_BCHW.amin(1, keepdim=True)
    red, green, blue = images_BCHW.split(1, 1)
    safe = torch.where(chroma > 0, chroma, 1.0)
    sixth = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    saturation = (chroma / value.clamp_min(1e-12) + of["saturation"]).clamp(0, 1) * (chroma > 0)
    channels = torch.arange(5, 0, -2, device=images_BCHW.device)[:, None, None]  # 5, 3, 1 for red, green, blue
    k = (channels + sixth + 6 * of["hue"]) % 6
    return value * (1 - saturation * torch.minimum(k, 4 - k).clamp(0, 1))


def gaussian_blur(images_BCHW: Tensor, sigma_B: Tensor, radius: int) -> Tensor:
    """Return each image blurred with its own sigma in pixels, truncated at 3.5 sigma and at `radius` pixels."""
    batch, channels, height, width = images_BCHW.shape
    radius = min(radius, height - 1, width - 1)
    if not radius:
        return images_BCHW
    x = torch.arange(-radius, radius + 1, device=images_BCHW.device)
    safe_B1 = sigma_B[:, None].clamp_min(1e-6)
    kernel_BK = torch.exp(-0.5 * (x / safe_B1) ** 2) * (x.abs() <= torch.floor(3.5 * safe_B1))
    kernel = (kernel_BK / kernel_BK.sum(1, keepdim=True)).repeat_interleave(channels, 0, output_size=batch * channels)
    padded = torch.nn.functional.pad(images_BCHW, (radius,) * 4, mode="reflect")
    whole = padded.reshape(1, batch * channels, *padded.shape[2:])
    across = torch.nn.functional.conv2d(whole, kernel[:, None, None, :], groups=len(kernel))
    return torch.nn.functional.conv2d(across, kernel[:, None, :, None], groups=len(kernel)).view_as(images_BCHW)


def noise(seeds_B: Tensor, height: int, width: int) -> Tensor:
    """Return draws in [0, 1) for each pixel, [B, 1, H, W]: a hash of the image's seed and the pixel (lowbias32)."""
    low = 2**32 - 1
    x = torch.arange(height * width, device=seeds_B.device).view(1, 1, height, width) * 0x9E3779B1
    x = (x + seeds_B[:, None, None, None]) & low
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & low
    x = ((x ^ (x >> 15)) * 0x846CA68B) & low
    return (x ^ (x >> 16)).to(torch.float32).mul_(2.0**-32)


def with_holes(images_BCHW: Tensor, of: Mapping[str, Tensor]) -> Tensor:
    """Return the images with a rectangle of one colour each."""
    height, width = images_BCHW.shape[2:]
    y = ((torch.arange(height, device=images_BCHW.device) + 0.5) / height)[:, None]
    x = ((torch.arange(width, device=images_BCHW.device) + 0.5) / width)[None, :]
    inside = (x >= of["left"]) & (x < of["right"]) & (y >= of["top"]) & (y < of["bottom"])
    colour = torch.cat([of["red"], of["green"], of["blue"]], dim=1)
    return torch.where(inside, colour, images_BCHW)


def joined(first_N23: np.ndarray, then_N23: np.ndarray) -> np.ndarray:
    """Return the maps that apply `then_N23` to pixels first mapped by `first_N23`: [N, 2, 3]."""
    linear_N22 = then_N23[:, :, :2] @ first_N23[:, :, :2]
    offset_N21 = then_N23[:, :, :2] @ first_N23[:, :, 2:] + then_N23[:, :, 2:]
    return np.concatenate([linear_N22, offset_N21], axis=2)
