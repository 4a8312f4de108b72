"""Albumentations pipelines whose strength is a number; the only module that imports albumentations.

Used on the CPU; `augment_on_device.py` has the same transforms and ranges for a GPU.

A strength in [0, 1] is rounded up to one of `LEVELS` levels; each level is one pipeline, built once: an affine warp,
brightness and contrast, hue and saturation, a slight blur or noise, and one dropped rectangle, with ranges and
probabilities proportional to the strength. Flips are left out: whether a mirrored image keeps its class is for the
suite's recipe to say (a digit does not). Every draw comes from the seed handed in with the image, so the result
depends on neither the order of images nor the thread or process. OpenCV's threads do not change these transforms.
"""

from __future__ import annotations

import math
import os
import random
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from albumentations import Compose

LEVELS = 8


class Augmenter:
    """Augments uint8 RGB images, each with its own strength and seed. Safe to call from several threads.

    `strength_C`: strength per class in [0, 1], 0 leaves a class alone. `image_size`: side of the images in pixels.
    Raises `ValueError` for a strength outside of [0, 1].
    """

    def __init__(self, strength_C: Sequence[float], image_size: int) -> None:
        self.strength_C = np.asarray(strength_C, dtype=np.float64)
        self.image_size = image_size
        if not ((self.strength_C >= 0) & (self.strength_C <= 1)).all():
            raise ValueError(f"Augmentation strengths must be in [0, 1], got {strength_C}.")
        self._local = threading.local()  # a pipeline holds random state of the current image

    def apply(self, image_HWC: np.ndarray, strength: float, seed: int) -> np.ndarray:
        """Return uint8 [H, W, 3], the image augmented; the image itself at strength 0. `seed` is at least 0."""
        level = math.ceil(strength * LEVELS)
        if level == 0:
            return image_HWC
        pipeline = self.pipeline(level)
        # one random stream for all transforms: `set_random_seed` would give each the same draws and be ten times slower
        pipeline.set_random_state(np.random.default_rng(seed), random.Random(seed))
        return pipeline(image=image_HWC)["image"]

    def augment_batch(self, images_BHWC: np.ndarray, strengths_B: np.ndarray, seeds_B: np.ndarray) -> np.ndarray:
        """Return uint8 [B, H, W, 3], each image augmented; a batch with no strength above 0 is returned as it is."""
        chosen = np.flatnonzero(strengths_B)
        if not len(chosen):
            return images_BHWC
        augmented_BHWC = images_BHWC.copy()
        for b in chosen:
            augmented_BHWC[b] = self.apply(images_BHWC[b], float(strengths_B[b]), int(seeds_B[b]))
        return augmented_BHWC

    def pipeline(self, level: int) -> Compose:
        """Return the pipeline that this thread uses for a level in 1..LEVELS."""
        if level not in self._local.__dict__.setdefault("pipelines", {}):
            self._local.pipelines[level] = build_pipeline(level / LEVELS, self.image_size)
        return self._local.pipelines[level]


def largest_sigma(strength: Any, image_size: int) -> Any:
    """Return the largest blur of a strength, a standard deviation in pixels; for a number or an array."""
    return 0.2 + 0.012 * image_size * strength


def build_pipeline(strength: float, image_size: int) -> Compose:
    """Return the pipeline of a strength in (0, 1] for square images of `image_size` pixels."""
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # its import otherwise accesses the network
    import albumentations as A
    import cv2

    s = strength
    return A.Compose(
        [
            A.Affine(
                scale=(1 - 0.25 * s, 1 + 0.25 * s),
                translate_percent=(-0.12 * s, 0.12 * s),
                rotate=(-20 * s, 20 * s),
                shear=(-10 * s, 10 * s),
                border_mode=cv2.BORDER_REPLICATE,  # a black corner would mark the minority classes
                p=0.5 + 0.5 * s,
            ),
            A.RandomBrightnessContrast(brightness_limit=0.3 * s, contrast_limit=0.3 * s, p=0.8),
            A.HueSaturationValue(
                hue_shift_limit=10 * s, sat_shift_limit=30 * s, val_shift_limit=0, p=0.5 * s
            ),
            A.OneOf(
                [
                    A.GaussianBlur(blur_limit=0, sigma_limit=(0.2, largest_sigma(s, image_size))),
                    A.MultiplicativeNoise(multiplier=(1 - 0.15 * s, 1 + 0.15 * s), elementwise=True),
                ],
                p=0.4 * s,
            ),
            A.CoarseDropout(
                num_holes_range=(1, 1),
                hole_height_range=(0.1, 0.1 + 0.25 * s),
                hole_width_range=(0.1, 0.1 + 0.25 * s),
                fill="random_uniform",
                p=0.5 * s,
            ),
        ]
    )  # fmt: skip
