"""Building networks: seeds, sizes, classifiers, encoders of one's own."""

import pytest
import torch
from torch import nn

from backbones.errors import BackboneError
from backbones.network import build, new_classifier
from backbones.registry import list_classifiers, register_backbone

CLASSIFIERS = [name for name, _ in list_classifiers()]


def _bits(module):
    return {key: tensor.clone() for key, tensor in module.state_dict().items()}


def _same(a, b):
    return list(a) == list(b) and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_weights_are_a_function_of_the_seed_alone(classifier):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = _bits(build(f"resnet10t:{classifier}", 4, image_size=32, seed=5))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert _same(first, _bits(build(f"resnet10t:{classifier}", 4, image_size=32, seed=5)))
    other = build(f"resnet10t:{classifier}", 4, image_size=32, seed=6)
    assert not torch.equal(first["encoder.layer1.0.conv1.weight"], other.encoder.layer1[0].conv1.weight)
    assert not _same({k: v for k, v in first.items() if k.startswith("classifier")}, _bits(other))
    assert not all(torch.equal(first[f"classifier.{k}"], v) for k, v in _bits(other.classifier).items())


def test_the_classifier_and_the_number_of_classes_leave_the_encoder_as_it_is():
    encoders = [_bits(build(f"resnet10t:{c}", n, image_size=32, seed=5).encoder) for c in CLASSIFIERS for n in (2, 9)]
    assert all(_same(encoders[0], other) for other in encoders)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_a_new_classifier_changes_the_classifier_and_nothing_else(classifier):
    network = build(f"resnet10t:{classifier}", 4, image_size=32, seed=5)
    encoder, pool, old = _bits(network.encoder), _bits(network.pool), network.classifier
    state = torch.get_rng_state()
    assert new_classifier(network, 7, seed=8) is network.classifier is not old
    assert torch.equal(torch.get_rng_state(), state)
    assert _same(encoder, _bits(network.encoder))
    assert _same(pool, _bits(network.pool))
    first = _bits(network.classifier)
    assert _same(first, _bits(new_classifier(network, 7, seed=8)))
    assert not _same(first, _bits(new_classifier(network, 7, seed=9)))
    logits_BC, features_BF = network.eval()(torch.rand(2, 3, 32, 32))
    assert logits_BC.shape == (2, 7)
    assert features_BF.shape == (2, network.feature_size)


@pytest.mark.parametrize(
    ("spec", "image_size", "said"),
    [
        ("inception_v3", 64, "at least 75 px"),
        ("vit_small", 72, "a multiple of 16 px"),
        ("swin_tiny", 66, "a multiple of 4 px"),
    ],
)
def test_a_size_the_encoder_cannot_take_is_refused_with_one_it_can(spec, image_size, said):
    with pytest.raises(BackboneError) as refusal:
        build(spec, 3, image_size=image_size, seed=0)
    assert said in str(refusal.value)
    assert f"{image_size} px" in str(refusal.value)


@pytest.fixture
def own_encoder(own_registry):
    layers = [nn.Conv2d(3, 6, 3), nn.ReLU()]
    register_backbone("own", builder=lambda image_size: nn.Sequential(*layers), description="a map of 6 features")
    register_backbone(
        "own_pooled", builder=lambda image_size: nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(5)), description="-"
    )


def test_an_encoder_of_ones_own_takes_any_classifier(own_encoder):
    images = torch.rand(4, 3, 8, 8)
    for classifier in CLASSIFIERS:
        logits_BC, features_BF = build(f"own:{classifier}", 3, image_size=8, seed=0)(images)
        assert logits_BC.shape == (4, 3)
        assert features_BF.shape == (4, 6)
    network = build("own", 3, image_size=8, seed=0)
    torch.testing.assert_close(network.features(images), network.encoder(images).mean((2, 3)))


def test_attention_needs_a_feature_map(own_encoder):
    assert build("own_pooled", 3, image_size=8, seed=0).feature_size == 5
    with pytest.raises(BackboneError, match="feature map"):
        build("own_pooled:attention", 3, image_size=8, seed=0)
    with pytest.raises(BackboneError, match="no ImageNet weights"):
        build("own", 3, image_size=8, seed=0, weights="imagenet")
