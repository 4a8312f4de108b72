"""Features of uint8 images: ONNX Runtime gives torch's, and torch takes over where it cannot."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from backbones.convolutions.small_maps import SmallMapConv2d
from backbones.network import build
from backbones.registry import register_backbone
from benchmarks.contract import tiny
from benchmarks.training.stored import extractor
from benchmarks.training.stored.extractor import make_extractor

CPU = torch.device("cpu")
needs_onnx = pytest.mark.skipif(bool(extractor.missing()), reason="the extra `weights` is not installed")


def images(count, size):
    return np.random.default_rng(1).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def in_torch(network, images_BHWC):
    """Return the network's features, normalised as its weights expect."""
    pixels_BCHW = (torch.tensor(images_BHWC) / 255).permute(0, 3, 1, 2)
    mean_C11, std_C11 = (torch.tensor(values)[:, None, None] for values in (network.mean, network.std))
    with torch.no_grad():
        return network.eval().features((pixels_BCHW - mean_C11) / std_C11).numpy()


@needs_onnx
@pytest.mark.parametrize("spec", ["test_resnet", "test_efficientnet:mlp1", "test_vit", "resnet32"])
def test_onnxruntime_gives_torch_s_features_for_batches_of_any_size_and_leaves_the_network_alone(spec):
    network = build(spec, 3, image_size=32, seed=0)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    extract = make_extractor(network, 32, CPU)
    assert (extract.how, extract.why) == ("onnxruntime", "")
    extract(images(2, 32))
    assert network.training and network.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    if spec == "test_resnet":
        assert any(isinstance(module, SmallMapConv2d) for module in network.modules())
    for count in (1, 5):
        features_BF = extract(images(count, 32))
        assert features_BF.dtype == np.float32
        assert features_BF.shape == (count, extract.size) == (count, network.feature_size)
        expected_BF = in_torch(network, images(count, 32))
        np.testing.assert_allclose(features_BF, expected_BF, atol=1e-4 * max(1, expected_BF.max()), rtol=0)


def check_torch(extract, network, why):
    assert extract.how == "torch"
    assert why in extract.why
    assert "\n" not in extract.why
    np.testing.assert_allclose(extract(images(3, 32)), in_torch(network, images(3, 32)), atol=1e-5, rtol=0)


def test_without_the_libraries_torch_computes_and_the_remedy_is_said(monkeypatch):
    monkeypatch.setattr(extractor, "NEEDED", ("numpy", "no_such_library"))
    network = build("test_resnet", 3, image_size=32, seed=0)
    check_torch(make_extractor(network, 32, CPU), network, "no_such_library not installed: ")


class _Deciding(nn.Module):
    """An encoder that looks at the values of its images: no exporter can follow."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 8)

    def forward(self, images_BCHW):
        means_BC = images_BCHW.mean((2, 3))
        return self.layer(means_BC if means_BC.sum() > 0 else -means_BC)


@needs_onnx
def test_what_cannot_be_exported_is_computed_by_torch(own_registry):
    register_backbone("deciding", builder=lambda size: _Deciding(), description="looks at values")
    network = build("deciding", 3, image_size=32, seed=0)
    check_torch(make_extractor(network, 32, CPU), network, "deciding cannot be exported (")


@needs_onnx
def test_features_that_deviate_are_not_used(monkeypatch):
    with tiny.backbone() as name:
        network = build(name, 3, image_size=32, seed=0)
    export = extractor.export

    def export_altered(model, size):
        altered = copy.deepcopy(model)
        next(altered.parameters()).data += 0.5
        return export(altered, size)

    monkeypatch.setattr(extractor, "export", export_altered)
    check_torch(make_extractor(network, 32, CPU), network, "ONNX Runtime's features of contract are off by ")
