"""A common training script that `throughput` compares with: PIL, torchvision's transforms, a DataLoader with workers.

B batch, N images, H W pixels, C channels or classes.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from backbones.convolutions.small_maps import restore_convolutions
from backbones.network import build
from benchmarks.suites.suite import Recipe
from benchmarks.support.hardware import usable_cores

MOST_WORKERS = 8


def plain_script(
    backbone: str, classes: int, recipe: Recipe, images_NHWC: np.ndarray, device: torch.device, folder: Path
) -> Callable[[], None]:
    """Return one epoch of the script as a function; image i is of class i modulo `classes`, its file is in `folder`."""
    from torch.utils.data import DataLoader
    from torchvision import transforms

    jpegs = [cv2.imencode(".jpg", cv2.resize(image, (60, 80)))[1].tobytes() for image in images_NHWC]
    steps = [
        transforms.Resize((recipe.image_size, recipe.image_size)),
        transforms.RandomHorizontalFlip(),
        transforms.RandomAffine(0, translate=(recipe.shift, recipe.shift)),
        transforms.ToTensor(),
        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ]
    files = _Files(jpegs, classes, folder, transforms.Compose(steps))
    network = build(backbone, classes, image_size=recipe.image_size, seed=0).to(device).train()
    restore_convolutions(network)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    batches = DataLoader(
        files, recipe.batch_size, shuffle=True, num_workers=min(usable_cores(), MOST_WORKERS), persistent_workers=True,
        pin_memory=device.type == "cuda",
    )  # fmt: skip

    def run() -> None:
        for images_BCHW, labels_B in batches:
            logits_BC, _ = network(images_BCHW.to(device, non_blocking=True))
            loss = torch.nn.functional.cross_entropy(logits_BC, labels_B.to(device, non_blocking=True))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return run


class _Files(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """JPEG files in a folder, read by PIL one at a time."""

    def __init__(
        self, jpegs: Sequence[bytes], classes: int, folder: Path, transform: Callable[[object], torch.Tensor]
    ) -> None:
        self.paths, self.classes, self.transform = [], classes, transform
        for number, jpeg in enumerate(jpegs):
            self.paths.append(folder / f"{number}.jpg")
            self.paths[-1].write_bytes(jpeg)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        from PIL import Image

        with Image.open(io.BytesIO(self.paths[index].read_bytes())) as image:
            return self.transform(image.convert("RGB")), index % self.classes
