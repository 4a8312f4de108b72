"""Augmented batches made on a GPU are those that the same code makes on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.suites.suite import Epochs, Recipe
from benchmarks.tools.throughput import photographs
from benchmarks.training.batching.batches import Batcher


@pytest.mark.parametrize("side", [32, 224])
def test_the_minority_augmentation_does_not_depend_on_the_device(side: int) -> None:
    images_NHWC, rows = photographs(64, side), np.arange(64)
    recipe = Recipe(image_size=side, epochs=Epochs(), shift=0.1, zoom=0.1, rotate=10)
    made = [
        Batcher(
            images_NHWC, recipe, (0.5,) * 3, (0.2,) * 3, torch.device(device), strength_N=np.linspace(0, 1, 64),
            share=0.5, resident_NHWC=torch.from_numpy(images_NHWC).to(device),
        ).training(rows, rows, side, 0, 1, 0)
        for device in ("cuda", "cpu")
    ]  # fmt: skip
    difference = (made[0].cpu() - made[1]).abs()
    assert difference.mean() < 1e-4 and (difference > 0.05).float().mean() < 1e-3  # hues at the border of two sixths
