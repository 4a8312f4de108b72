"""Batches: the order of an epoch, and uint8 images in memory -> augmented float tensors.

Every draw is a function of (seed, stage, epoch, position in the epoch), so that the number of workers, the strategy's
name and interruptions change no pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np
import torch

from backbones.seeds import seed_for
from benchmarks.suites.suite import Recipe
from benchmarks.support.keys import generator, sample_bits, sample_uniforms
from benchmarks.training.batching.on_device import to_device

if TYPE_CHECKING:
    from benchmarks.training.batching.augment import Augmenter


def epoch_order(
    labels_N: np.ndarray, sampling_C: np.ndarray | None, *key: int | str, kept_C: np.ndarray | None = None
) -> np.ndarray:
    """Return the positions [N] of the samples of one epoch, in order; the last part of the key is the epoch.

    Without `sampling_C` every sample comes once, permuted; with it N samples are drawn with replacement: a class by
    its probability, then a sample of the class uniformly. `kept_C` restricts this to that many samples of each class,
    the same ones in every epoch. Raises `ValueError` where an empty class has a probability above 0.
    """
    draws = generator(*key, "order")
    if sampling_C is None and kept_C is None:
        return draws.permutation(len(labels_N))
    by_class = np.argsort(labels_N, kind="stable")
    counts_C = np.bincount(labels_N, minlength=len(sampling_C if sampling_C is not None else kept_C))  # type: ignore[arg-type]
    starts_C = np.cumsum(counts_C) - counts_C
    if kept_C is not None:
        shuffled = generator(*key[:-1], "kept").permutation(len(labels_N))
        by_class = shuffled[np.argsort(labels_N[shuffled], kind="stable")]
        counts_C = np.minimum(counts_C, kept_C)
    if sampling_C is None:
        sampling_C = counts_C / counts_C.sum()
    if np.any((counts_C == 0) & (sampling_C > 0)):
        raise ValueError("sampling_C gives a class without samples a probability above 0")
    class_N = draws.choice(len(sampling_C), size=len(labels_N), p=sampling_C / sampling_C.sum())
    within_N = (draws.random(len(labels_N)) * counts_C[class_N]).astype(np.int64)
    return by_class[starts_C[class_N] + within_N]


def pool_order(pool: int, draws: int, *key: int | str) -> np.ndarray:
    """Return positions [draws] in a pool of samples for one epoch, without replacement until the pool is used up."""
    return np.resize(generator(*key, "order").permutation(pool), draws)


def split_batches(count: int, batch_size: int) -> Iterator[slice]:
    """Yield slices of `count` samples: the fewest batches of at most `batch_size`, with sizes that differ by at most 1.

    Equal sizes avoid a last batch too small for batch normalisation.
    """
    batches = -(-count // batch_size)
    borders = np.linspace(0, count, batches + 1).round().astype(int)
    for start, end in zip(borders[:-1], borders[1:], strict=True):
        yield slice(int(start), int(end))


class Ranges(Protocol):
    """The ranges of random shifts, zooms and rotations (see `Recipe`), and whether to mirror at random."""

    @property
    def shift(self) -> float: ...  # noqa: D102
    @property
    def zoom(self) -> float: ...  # noqa: D102
    @property
    def rotate(self) -> float: ...  # noqa: D102
    @property
    def flip(self) -> bool: ...  # noqa: D102


def affine_B23(recipe: Ranges, source: int, size: int, uniforms_BK: np.ndarray) -> np.ndarray:
    """Return affine maps from output to source pixels, float64 [B, 2, 3]: flips, shifts, zooms and rotations.

    `uniforms_BK` holds five uniform draws in [0, 1) per sample. Shifts are whole source pixels, so that a shift alone
    does not blur.
    """
    flip_B, dx_B, dy_B, zoom_B, turn_B = uniforms_BK.T
    scale_B = (source / size) * (1 + recipe.zoom * (2 * zoom_B - 1))
    angle_B = np.deg2rad(recipe.rotate * (2 * turn_B - 1))
    mirror_B = np.where(recipe.flip & (flip_B < 0.5), -1.0, 1.0)
    reach = recipe.shift * source
    linear_B22 = np.empty((len(uniforms_BK), 2, 2))
    linear_B22[:, 0, 0] = mirror_B * scale_B * np.cos(angle_B)
    linear_B22[:, 0, 1] = -scale_B * np.sin(angle_B)
    linear_B22[:, 1, 0] = mirror_B * scale_B * np.sin(angle_B)
    linear_B22[:, 1, 1] = scale_B * np.cos(angle_B)
    centre = np.array([(size - 1) / 2, (size - 1) / 2])
    offset_B2 = np.stack([np.rint(reach * (2 * dx_B - 1)), np.rint(reach * (2 * dy_B - 1))], axis=1)
    offset_B2 += (source - 1) / 2 - linear_B22 @ centre
    return np.concatenate([linear_B22, offset_B2[:, :, None]], axis=2)


class Batches(Protocol):
    """Makes the batches of a training and of its predictions.

    `Batcher` gives images, `FeatureBatcher` stored features, `NameBatcher` names alone.
    """

    device: torch.device

    def tokens(self, rows_B: np.ndarray) -> torch.Tensor | None:
        """Return the names of the rows, int32 [B, T]; None where no names are read."""
        ...

    def evaluations(self, rows_B: np.ndarray) -> Iterator[torch.Tensor]:
        """Yield each view of the images, float32 [B, 3, S, S], not augmented; outputs are means over the views.

        S is 0 where no images are read; features are [B, F, 1, 1].
        """
        ...

    def epoch(self, rows_N: np.ndarray, size: int, *key: int | str) -> Callable[[slice], torch.Tensor]:
        """Return a function of a slice of an epoch's rows that gives augmented images, float32 [B, 3, size, size].

        They are [B, 3, 0, 0] where no images are read. `key` is (seed, stage, epoch).
        """
        ...


class Batcher:
    """Makes image batches from a uint8 array, on the CPU or on the accelerator.

    `images_NHWC` is the whole data set; rows are global. `resident_NHWC` is a copy on the accelerator, None where it
    does not fit; with it, batches are made on the accelerator. `mean`, `std` are per channel in [0, 1] units.
    `strength_N` in [0, 1] is the strength of the minority augmentation of each row (0 for none), applied to `share` of
    the draws: by `augmenter`, or on the accelerator where the images are there. `tokens_NT`: the names of all rows,
    int32 [N, T], for networks that read them. `flip_test`: see `Recipe`.
    """

    def __init__(
        self,
        images_NHWC: np.ndarray,
        recipe: Recipe,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        device: torch.device,
        augmenter: Augmenter | None = None,
        strength_N: np.ndarray | None = None,
        share: float = 1.0,
        resident_NHWC: torch.Tensor | None = None,
        tokens_NT: np.ndarray | None = None,
    ) -> None:
        self.images_NHWC, self.recipe, self.device = images_NHWC, recipe, device
        self.flip_test = recipe.flip_test
        self.augmenter, self.strength_N, self.share = augmenter, strength_N, share
        plain = recipe.normalise == "none"
        mean_C = torch.tensor((0.0, 0.0, 0.0) if plain else mean)
        std_C = torch.tensor((1.0, 1.0, 1.0) if plain else std)
        self._scale_C = (1 / (255 * std_C)).to(device)
        self._shift_C = (-mean_C / std_C).to(device)
        self._resident_NHWC = resident_NHWC
        self._tokens_NT = None if tokens_NT is None else torch.from_numpy(tokens_NT).to(device)

    def tokens(self, rows_B: np.ndarray) -> torch.Tensor | None:
        """Return the names of the rows, int32 [B, T]; None where no names are read."""
        return None if self._tokens_NT is None else self._tokens_NT[to_device(rows_B, self.device)]

    def evaluations(self, rows_B: np.ndarray) -> Iterator[torch.Tensor]:
        """Yield the images as they are and, with the recipe's `flip_test`, their mirrors (see `evaluation`)."""
        images_BCHW = self.evaluation(rows_B)
        yield images_BCHW
        if self.flip_test:
            yield images_BCHW.flip(3)

    def evaluation(self, rows_B: np.ndarray) -> torch.Tensor:
        """Return float32 [B, 3, S, S] in channels-last memory: the images as they are, normalised."""
        if self._resident_NHWC is not None:
            return self._to_float(self._resident_NHWC[to_device(rows_B, self.device)])
        return self._to_float(to_device(self.images_NHWC[rows_B], self.device))

    def training(self, rows_B: np.ndarray, positions_B: np.ndarray, size: int, *key: int | str) -> torch.Tensor:
        """Return the images of rows at these positions of an epoch, float32 [B, 3, size, size], augmented."""
        return self._images(rows_B, positions_B, size, key)(slice(None))

    def epoch(self, rows_N: np.ndarray, size: int, *key: int | str) -> Callable[[slice], torch.Tensor]:
        """Return a function of a slice of an epoch's rows that gives augmented images, float32 [B, 3, size, size].

        `key` is (seed, stage, epoch). Rows and maps of the whole epoch are copied to the device here.
        """
        return self._images(rows_N, np.arange(len(rows_N)), size, key)

    def _images(
        self, rows_N: np.ndarray, positions_N: np.ndarray, size: int, key: tuple[int | str, ...]
    ) -> Callable[[slice], torch.Tensor]:
        source = self.images_NHWC.shape[1]
        uniforms_NK = sample_uniforms(seed_for(*key, "affine"), positions_N, 5)
        maps_N23 = affine_B23(self.recipe, source, size, uniforms_NK)
        if self._resident_NHWC is None:

            def made_here(part: slice) -> torch.Tensor:
                rows_B = rows_N[part]
                augmented_BHWC = self._augment(self.images_NHWC[rows_B], rows_B, positions_N[part], key)
                return self._to_float(to_device(warp(augmented_BHWC, maps_N23[part], size), self.device))

            return made_here
        resident_NHWC, on_device_N = self._resident_NHWC, to_device(rows_N, self.device)
        changes = None
        if self.strength_N is not None:
            from benchmarks.training.batching.augment_on_device import EpochChanges, draw, joined

            drawn = draw(self.strength_N[rows_N], self.share, source, positions_N, key)
            maps_N23, changes = joined(maps_N23, drawn.maps_N23), EpochChanges(drawn, self.device)
        theta_N23 = to_device(unit_maps(maps_N23, source, size), self.device)

        def made_there(part: slice) -> torch.Tensor:
            images_BHWC = resident_NHWC[on_device_N[part]]
            if changes is None:
                return warp_on_device(self._to_float(images_BHWC), theta_N23[part], size)
            images_BCHW = warp_on_device(images_BHWC.permute(0, 3, 1, 2).float().div_(255), theta_N23[part], size)
            changed_BCHW = changes.apply(images_BCHW, part, source)
            normal_BCHW = self._to_float(changed_BCHW.permute(0, 2, 3, 1).mul(255))
            return normal_BCHW.contiguous(memory_format=torch.channels_last)

        return made_there

    def _to_float(self, images_BHWC: torch.Tensor) -> torch.Tensor:
        return images_BHWC.float().mul_(self._scale_C).add_(self._shift_C).permute(0, 3, 1, 2)

    def _augment(
        self, images_BHWC: np.ndarray, rows_B: np.ndarray, positions_B: np.ndarray, key: tuple[int | str, ...]
    ) -> np.ndarray:
        if self.augmenter is None or self.strength_N is None:
            return images_BHWC
        drawn = seed_for(*key, "minority")
        seeds_B = sample_bits(drawn, positions_B, 1)[:, 0] >> np.uint64(33)
        strength_B = np.where(sample_uniforms(drawn, positions_B, 2)[:, 1] < self.share, self.strength_N[rows_B], 0.0)
        return self.augmenter.augment_batch(images_BHWC, strength_B, seeds_B.astype(np.int64))


def warp(images_BHWC: np.ndarray, maps_B23: np.ndarray, size: int) -> np.ndarray:
    """Return uint8 [B, size, size, 3]: each image warped by its own map, bilinear, with edge pixels repeated."""
    out_BHWC = np.empty((len(images_BHWC), size, size, 3), dtype=np.uint8)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for image, matrix, out in zip(images_BHWC, maps_B23, out_BHWC, strict=True):
        cv2.warpAffine(image, matrix, (size, size), dst=out, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return out_BHWC


def unit_maps(maps_B23: np.ndarray, source: int, size: int) -> np.ndarray:
    """Return the maps in torch's coordinates from -1 to 1, float32 [B, 2, 3], for `warp_on_device`."""
    to_unit = np.array([[2 / source, 0, 1 / source - 1], [0, 2 / source, 1 / source - 1], [0, 0, 1]])
    from_unit = np.array([[size / 2, 0, (size - 1) / 2], [0, size / 2, (size - 1) / 2], [0, 0, 1]])
    whole_B33 = np.concatenate([maps_B23, np.tile([[[0.0, 0.0, 1.0]]], (len(maps_B23), 1, 1))], axis=1)
    return (to_unit @ whole_B33 @ from_unit)[:, :2].astype(np.float32)


def warp_on_device(images_BCHW: torch.Tensor, theta_B23: torch.Tensor, size: int) -> torch.Tensor:
    """Like `warp`, on the images' device and for float images; `theta_B23`: `unit_maps`."""
    warped_BCHW = torch.nn.functional.grid_sample(
        images_BCHW, _grid(theta_B23, size), mode="bilinear", padding_mode="border", align_corners=False
    )
    return warped_BCHW.contiguous(memory_format=torch.channels_last)


def _grid(theta_B23: torch.Tensor, size: int) -> torch.Tensor:
    """Return [B, size, size, 2]: `affine_grid(..., align_corners=False)` without a matrix product.

    A product would be inexact with TF32 and needs more memory traffic: an affine map of a grid is a sum of two lines.
    """
    centres_S = (2 * torch.arange(size, device=theta_B23.device, dtype=theta_B23.dtype) + 1) / size - 1
    across_B2S = theta_B23[:, :, :1] * centres_S
    down_B2S = theta_B23[:, :, 1:2] * centres_S + theta_B23[:, :, 2:]
    return (across_B2S[:, :, None, :] + down_B2S[:, :, :, None]).permute(0, 2, 3, 1)
