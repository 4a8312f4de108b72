"""Features of a data set's rows under a backbone that is not trained: computed once, then read from the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch

from backbones.network import Network, build
from backbones.registry import identity, parse
from backbones.weights import FirstWeights
from benchmarks.data.base import Loaded
from benchmarks.training.stored.extractor import make_extractor
from benchmarks.training.stored.store import Compute, FeatureStore, Progress
from benchmarks.training.stored.views import StoredViews

# Images per call: on one core, ONNX Runtime and torch are slower with 8 and with 64 or more. A GPU needs more.
BATCH, GPU_BATCH = 16, 256


def features_of(
    loaded: Loaded,
    backbone: str,
    weights: FirstWeights | None,
    views: StoredViews,
    *,
    device: torch.device,
    folder: Path,
    say: Callable[[str], None] = lambda line: None,
    on_progress: Progress = lambda done, total: None,
) -> np.ndarray:
    """Return the pooled features of the rows of `views`, float32 memory map [V, M, F], from `folder` if it has them.

    The classifier in `backbone` is ignored; without `weights` the backbone is random. Features are cached by the data's
    pixels, the backbone, the weights' content, the views and the device's arithmetic; `say` gets a line if a faster
    method is not available.
    Raises `BackboneError` for a backbone that cannot be built for these images, `UserError` if the cache cannot be
    written.
    """
    network, rows_M = _network(loaded, backbone, weights), _rows(loaded, views)
    store = _store(loaded, network, weights, views, device, folder)

    def begin() -> Compute:
        extract = make_extractor(network, loaded.size, device)
        if extract.why:
            say(f"{extract.why}.")
        step = BATCH if device.type == "cpu" else GPU_BATCH

        def compute(view: int, start: int, end: int) -> np.ndarray:
            parts = (rows_M[at : min(at + step, end)] for at in range(start, end, step))
            return np.concatenate([extract(views.view(view, loaded.images_NHWC[rows_B], rows_B)) for rows_B in parts])

        return compute

    return store.fill(begin, on_progress)


def views_missing(
    loaded: Loaded, backbone: str, weights: FirstWeights | None, every: Iterable[StoredViews], *, device: torch.device,
    folder: Path,
) -> int:  # fmt: skip
    """Return how many views of images `features_of` would have to compute for all of `every`."""
    network = _network(loaded, backbone, weights)
    return sum(_store(loaded, network, weights, views, device, folder).rows_missing() for views in every)


def _network(loaded: Loaded, backbone: str, weights: FirstWeights | None) -> Network:
    name = parse(backbone).backbone.name
    return build(name, 2, image_size=loaded.size, seed=0, weights=weights.path if weights else "none")


def _rows(loaded: Loaded, views: StoredViews) -> np.ndarray:
    return np.arange(len(loaded.images_NHWC)) if views.rows_M is None else views.rows_M


def _store(
    loaded: Loaded, network: Network, weights: FirstWeights | None, views: StoredViews, device: torch.device,
    folder: Path,
) -> FeatureStore:  # fmt: skip
    name = parse(network.spec).backbone.name
    content = {
        "data": loaded.fingerprint,
        "backbone": identity(name),
        "weights": weights.sha256 if weights else "none",
        "image_size": loaded.size,
        "views": views.identity(),
        "arithmetic": "float32 on a CPU" if device.type == "cpu" else f"bfloat16 on {device.type}",
    }
    return FeatureStore(folder, name, content, (len(views), len(_rows(loaded, views)), network.feature_size))
