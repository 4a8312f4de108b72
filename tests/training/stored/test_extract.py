"""Features of a data set: of the weights, the pixels and the view they are said to be of; computed once."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from backbones.network import build
from backbones.weights import FirstWeights
from benchmarks.data.base import Loaded
from benchmarks.training.stored import extract
from benchmarks.training.stored.views import Views
from tests.making import BACKBONE, digits_session

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return digits_session(tmp_path_factory.mktemp("out")).context.loaded


def weights(folder: Path, seed: int = 3) -> FirstWeights:
    """Write weights of the test backbone."""
    torch.manual_seed(seed)
    path = folder / f"{seed}.safetensors"
    save_file({name: t.contiguous() for name, t in timm.create_model(BACKBONE).state_dict().items()}, path)
    return FirstWeights(path, "file")


def asked(loaded: Loaded, first: FirstWeights | None, folder: Path, **changes: Any) -> np.ndarray:
    given = {"backbone": BACKBONE, "views": Views(), **changes}
    return extract.features_of(loaded, weights=first, device=CPU, folder=folder, **given)


def test_features_are_the_network_s_in_evaluation_mode(loaded: Loaded, tmp_path: Path) -> None:
    first = weights(tmp_path)
    features_VNF = asked(loaded, first, tmp_path)
    assert features_VNF.shape[:2] == (2, len(loaded.images_NHWC))
    network = build(BACKBONE, 3, image_size=loaded.size, seed=5, weights=first.path).eval()
    rows = np.array([0, 15, 16, 700, len(loaded.images_NHWC) - 1])
    for view, images_BHWC in enumerate((loaded.images_NHWC[rows], loaded.images_NHWC[rows][:, :, ::-1])):
        mean_C, std_C = torch.tensor(network.mean), torch.tensor(network.std)
        pixels_BCHW = ((torch.tensor(images_BHWC.copy()) / 255 - mean_C) / std_C).permute(0, 3, 1, 2)
        with torch.no_grad():
            expected_BF = network.features(pixels_BCHW).numpy()
        np.testing.assert_allclose(features_VNF[view, rows], expected_BF, atol=1e-4, rtol=0)


@pytest.fixture
def no_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torch compute the features: an export takes seconds."""
    monkeypatch.setattr("benchmarks.training.stored.extractor.NEEDED", ("no_such_library",))


@pytest.mark.usefixtures("no_export")
def test_they_are_computed_once_for_all_classifiers_and_wherever_the_weights_are(
    loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = weights(tmp_path)
    features_VNF = asked(loaded, first, tmp_path)
    moved = first.path.rename(tmp_path / "moved.safetensors")
    monkeypatch.setattr(extract, "make_extractor", None)  # calling it fails
    again_VNF = asked(loaded, FirstWeights(moved, "package"), tmp_path, backbone=f"{BACKBONE}:mlp1")
    np.testing.assert_array_equal(again_VNF, features_VNF)


@pytest.mark.usefixtures("no_export")
def test_other_weights_data_or_views_are_other_features(loaded: Loaded, tmp_path: Path) -> None:
    first = weights(tmp_path)
    asked(loaded, first, tmp_path)
    other = dataclasses.replace(loaded, fingerprint="other", images_NHWC=loaded.images_NHWC[::-1])
    reversed_VNF = asked(other, first, tmp_path)
    np.testing.assert_allclose(reversed_VNF[:, ::-1], asked(loaded, first, tmp_path), atol=1e-4)
    assert not np.allclose(asked(loaded, weights(tmp_path, 4), tmp_path), asked(loaded, first, tmp_path))
    assert not np.allclose(asked(loaded, None, tmp_path), asked(loaded, first, tmp_path))
    assert len(asked(loaded, first, tmp_path, views=Views(draws=2, shift=0.1))) == 4


@pytest.mark.usefixtures("no_export")
def test_slower_features_are_told_once(loaded: Loaded, tmp_path: Path) -> None:
    said: list[str] = []
    first = weights(tmp_path)
    for _ in range(2):
        asked(loaded, first, tmp_path, say=said.append)
    assert len(said) == 1
    assert said[0].startswith("no_such_library not installed: ")
