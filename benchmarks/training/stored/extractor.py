"""Pooled features of uint8 images, computed fast without gradients: ONNX Runtime on a CPU, else torch.

On one AVX2 core ONNX Runtime computes EfficientNet-Lite0's features more than twice as fast as torch. Networks that
cannot be exported, or whose exported features differ, run in torch. B batch, F features, S pixels a side.
"""

from __future__ import annotations

import copy
import dataclasses
import importlib.util
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from backbones.convolutions.small_maps import restore_convolutions
from backbones.network import Network
from backbones.pinned import EXTRA

TOLERANCE = 1e-4  # largest deviation from torch's features, relative to the largest one or to 1
NEEDED = ("onnx", "onnxscript", "onnxruntime")

Compute = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Extractor:
    """Computes features: uint8 [B, S, S, 3] -> float32 [B, F].

    `how`: "onnxruntime" or "torch". `why`: one sentence if torch is used although ONNX Runtime would be faster.
    """

    compute: Compute
    size: int
    how: str
    why: str = ""

    def __call__(self, images_BHWC: np.ndarray) -> np.ndarray:
        """Return the features [B, F]."""
        return self.compute(np.ascontiguousarray(images_BHWC))


def missing() -> list[str]:
    """Return the libraries of the extra `weights` that fast extraction needs and that are not installed."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def make_extractor(network: Network, image_size: int, device: torch.device) -> Extractor:
    """Return an extractor of a network's pooled features for images of `image_size` pixels, in evaluation mode.

    On the CPU in float32, with as many threads as torch has now; on a GPU in bfloat16. The network is left as it is.
    """
    model = _FromPixels(network).eval()
    if device.type != "cpu":
        return Extractor(_on_gpu(model.to(device), device), network.feature_size, "torch")
    plain = _in_torch(model)
    if lacking := missing():
        why = f"{', '.join(lacking)} not installed: features are computed by torch, slower; `{EXTRA}` brings them"
        return Extractor(plain, network.feature_size, "torch", why)
    images_BHWC = np.random.default_rng(0).integers(0, 256, (4, image_size, image_size, 3), dtype=np.uint8)
    try:
        fast = _in_onnxruntime(export(model, image_size))
        expected_BF = plain(images_BHWC)
        off = float(np.abs(fast(images_BHWC) - expected_BF).max() / max(1.0, np.abs(expected_BF).max()))
    except Exception as error:  # the exporter fails in many ways, and torch computes whatever it cannot
        why = f"{network.spec} cannot be exported ({type(error).__name__}): features are computed by torch, slower"
        return Extractor(plain, network.feature_size, "torch", why)
    if not off <= TOLERANCE:
        why = f"ONNX Runtime's features of {network.spec} are off by {off:.1g}: they are computed by torch, slower"
        return Extractor(plain, network.feature_size, "torch", why)
    return Extractor(fast, network.feature_size, "onnxruntime")


class _FromPixels(nn.Module):
    """A copy of a network without its classifier: normalises uint8 [B, S, S, 3], and gives features [B, F]."""

    scale_C: Tensor
    shift_C: Tensor

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.encoder, self.pool = copy.deepcopy(network.encoder), copy.deepcopy(network.pool)
        restore_convolutions(self.encoder)
        mean_C, std_C = torch.tensor(network.mean), torch.tensor(network.std)
        self.register_buffer("scale_C", 1 / (255 * std_C))
        self.register_buffer("shift_C", -mean_C / std_C)

    def forward(self, images_BHWC: Tensor) -> Tensor:
        """Return the features."""
        return self.pool(self.encoder((images_BHWC.float() * self.scale_C + self.shift_C).permute(0, 3, 1, 2)))


def _in_torch(model: nn.Module) -> Compute:
    def compute(images_BHWC: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return model(torch.tensor(images_BHWC)).numpy()

    return compute


def _on_gpu(model: nn.Module, device: torch.device) -> Compute:
    model = model.to(memory_format=torch.channels_last)

    def compute(images_BHWC: np.ndarray) -> np.ndarray:
        with torch.inference_mode(), torch.autocast(device.type, dtype=torch.bfloat16):
            return model(torch.tensor(images_BHWC).to(device)).float().cpu().numpy()

    return compute


def export(model: nn.Module, image_size: int, outputs: Sequence[str] = ("features",)) -> bytes:
    """Return a module that takes uint8 [B, S, S, 3] as an ONNX model for any B; errors are torch's.

    Its input is named "images"; `outputs` names its outputs.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            model,
            (torch.zeros(2, image_size, image_size, 3, dtype=torch.uint8),),
            input_names=["images"],
            output_names=list(outputs),
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # it is None for the old exporter alone
    proto = program.model_proto
    graph = proto.graph
    for part in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]  # stack traces, with paths of this machine
    return proto.SerializeToString()


def _in_onnxruntime(model: bytes) -> Compute:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def compute(images_BHWC: np.ndarray) -> np.ndarray:
        return session.run(None, {"images": images_BHWC})[0]

    return compute
