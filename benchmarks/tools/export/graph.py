"""The network as an ONNX model that takes pixels and gives logits and calibrated probabilities.

B batch, C classes, S pixels a side.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn

from backbones.convolutions.small_maps import restore_convolutions
from backbones.network import Network
from benchmarks.support.errors import UserError
from benchmarks.tools.export.model import open_graph
from benchmarks.tools.export.posthoc import Correction
from benchmarks.training.stored.extractor import TOLERANCE, export

OUTPUTS = ["logits", "probabilities"]


class Classify(nn.Module):
    """Maps uint8 RGB [B, S, S, 3] to corrected logits z and to softmax(z / temperature), [B, C] each.

    It normalises the pixels, and takes the mean logits of an image and its mirror where `mirror`.
    """

    pixel_scale_C: Tensor
    pixel_shift_C: Tensor
    scale_C: Tensor
    shift_C: Tensor

    def __init__(
        self,
        network: Network,
        correction: Correction,
        temperature: float,
        *,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        mirror: bool,
    ) -> None:
        """Copy the network's parts."""
        super().__init__()
        self.encoder, self.pool, self.classifier = (
            copy.deepcopy(part) for part in (network.encoder, network.pool, network.classifier)
        )
        restore_convolutions(self.encoder)
        self.temperature, self.mirror, self.corrects = temperature, mirror, not correction.neutral
        std_C = torch.tensor(std)
        for name, values in (
            ("pixel_scale_C", 1 / (255 * std_C)), ("pixel_shift_C", -torch.tensor(mean) / std_C),
            ("scale_C", torch.from_numpy(correction.scale_C).float()),
            ("shift_C", torch.from_numpy(correction.shift_C).float()),
        ):  # fmt: skip
            self.register_buffer(name, values)
        self.eval()

    def forward(self, images_BSS3: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and probabilities."""
        pixels_B3SS = (images_BSS3.float() * self.pixel_scale_C + self.pixel_shift_C).permute(0, 3, 1, 2)
        logits_BC = self._logits(pixels_B3SS)
        if self.mirror:
            logits_BC = (logits_BC + self._logits(pixels_B3SS.flip(3))) / 2
        if self.corrects:
            logits_BC = logits_BC * self.scale_C + self.shift_C
        return logits_BC, (logits_BC / self.temperature).softmax(1)

    def _logits(self, pixels_B3SS: Tensor) -> Tensor:
        given = self.classifier(self.pool(self.encoder(pixels_B3SS)))
        return given if isinstance(given, Tensor) else given["logits_BC"]


def to_onnx(model: Classify, size: int, images_BSS3: np.ndarray, what: str) -> bytes:
    """Return the model in ONNX, for any B, after comparing it with torch on `images_BSS3` in ONNX Runtime.

    Raises UserError, with the name `what`, if it cannot be exported or gives other numbers.
    """
    try:
        exported = export(model, size, OUTPUTS)
    except Exception as error:  # the exporter fails in many ways
        raise UserError(
            f"{what} cannot be written as ONNX ({type(error).__name__}); export a cell of another backbone or strategy."
        ) from error
    off = deviation(model, exported, images_BSS3)
    if not off <= TOLERANCE:
        raise UserError(
            f"{what} gives other numbers in ONNX Runtime than in torch (off by {off:.1g}, expected at most "
            f"{TOLERANCE:.0e}); export a cell of another backbone or strategy."
        )
    return exported


def deviation(model: Classify, exported: bytes, images_BSS3: np.ndarray) -> float:
    """Return the largest deviation of ONNX Runtime from torch: of probabilities, and of logits / max(1, largest)."""
    session = open_graph(exported)
    if session is None:
        return float("inf")
    with torch.inference_mode():
        expected = [output.numpy() for output in model(torch.from_numpy(images_BSS3))]
    given = session.run(OUTPUTS, {"images": images_BSS3})
    unit = max(1.0, float(np.abs(expected[0]).max()))
    logits, probabilities = (float(np.abs(a - b).max()) for a, b in zip(given, expected, strict=True))
    return max(logits / unit, probabilities)
