"""Norms only, adapters and low-rank updates: what is trained, what is added, and that a network starts as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backbones.classifiers import CosineClassifier
from backbones.errors import BackboneError
from backbones.network import Network, build
from backbones.strategy_layers.light import (
    BATCH_NORM,
    TRANSFORMER,
    add_adapters,
    add_low_rank,
    default_rank,
    merge_low_rank,
    parts_of,
    train_norms_only,
    transformer_blocks,
)

IMAGES_BCHW = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def transformer() -> Network:
    return build("test_vit", 3, image_size=32, seed=0).eval()


def trained(network: Network) -> set[str]:
    return {name for name, p in network.named_parameters() if p.requires_grad}


def scatter(parameters: list[torch.nn.Parameter]) -> None:
    """Set the parameters to random values: updates start at zero, where they would show nothing."""
    for k, parameter in enumerate(parameters):
        torch.nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(k))


def test_parts_are_those_of_the_encoder() -> None:
    assert parts_of("test_vit", 32) == {TRANSFORMER}
    assert parts_of("test_resnet:mlp1", 32) == {BATCH_NORM}, "the classifier's batch norm does not count"


def test_only_norms_of_the_encoder_and_the_classifier_are_trained() -> None:
    network = build("test_resnet", 3, image_size=32, seed=0)
    train_norms_only(network)
    names = trained(network)
    norms = {name for name, m in network.encoder.named_modules() if isinstance(m, torch.nn.BatchNorm2d)}
    assert names == {f"encoder.{norm}.{what}" for norm in norms for what in ("weight", "bias")} | {
        "classifier.weight", "classifier.bias",
    }  # fmt: skip
    with pytest.raises(BackboneError, match="test_vit has no batch normalisation"):
        train_norms_only(transformer())


def test_an_adapter_adds_its_output_to_its_mlps() -> None:
    network = transformer()
    with torch.no_grad():
        before, names = network.features(IMAGES_BCHW), set(network.state_dict())
        add_adapters(network, 2)
        assert torch.equal(network.features(IMAGES_BCHW), before), "training starts at the frozen network"
    assert names < set(network.state_dict()), "timm's names stay"
    assert trained(network) - {"classifier.weight", "classifier.bias"} == set(network.state_dict()) - names
    block = transformer_blocks(network.encoder)[0]
    scatter(list(block.mlp.adapter.parameters()))
    x = torch.randn(1, 5, block.mlp.fc1.in_features)
    weights = {name: p.detach().double().numpy() for name, p in block.mlp.adapter.named_parameters()}
    with torch.no_grad():
        whole = block.mlp(x)
        plain = block.mlp.fc2(block.mlp.act(block.mlp.fc1(x)))
    hidden = np.maximum(x.double().numpy() @ weights["down.weight"].T + weights["down.bias"], 0)
    expected = plain.numpy() + weights["scale"] * (hidden @ weights["up.weight"].T + weights["up.bias"])
    np.testing.assert_allclose(whole.numpy(), expected, rtol=1e-4, atol=1e-5)


def test_low_rank_updates_change_queries_and_values_and_merge_into_them() -> None:
    network = transformer()
    with torch.no_grad():
        before, state = network.features(IMAGES_BCHW), set(network.state_dict())
        add_low_rank(network, 2)
        assert torch.equal(network.features(IMAGES_BCHW), before)
    assert trained(network) - {"classifier.weight", "classifier.bias"} == set(network.state_dict()) - state
    qkv = transformer_blocks(network.encoder)[0].attn.qkv
    scatter([p for p in qkv.parameters() if p.requires_grad])
    x = torch.randn(1, 5, qkv.in_features)
    weights = {name: p.detach().double().numpy() for name, p in qkv.named_parameters()}
    given, size = x.double().numpy(), qkv.in_features
    expected = given @ weights["weight"].T + weights["bias"]
    for name, at in (("query", 0), ("value", 2 * size)):
        expected[..., at : at + size] += given @ weights[f"{name}_down_FR"] @ weights[f"{name}_up_RF"] / 2
    with torch.no_grad():
        np.testing.assert_allclose(qkv(x).numpy(), expected, rtol=1e-4, atol=1e-5)
        moved = network.features(IMAGES_BCHW)
        merge_low_rank(network)
        merge_low_rank(network)  # without updates it does nothing
        torch.testing.assert_close(network.features(IMAGES_BCHW), moved, rtol=1e-4, atol=1e-4)
    assert set(network.state_dict()) == state and not torch.allclose(moved, before, atol=1e-3)


@pytest.mark.parametrize("add", [add_adapters, add_low_rank])
def test_networks_without_blocks_are_refused(add) -> None:
    with pytest.raises(BackboneError, match="test_resnet has no transformer blocks; choose a transformer"):
        add(build("test_resnet", 3, image_size=32, seed=0), 2)


@pytest.mark.parametrize(("blocks", "classes", "rank"), [(12, 1000, 32), (12, 100, 4), (12, 20, 1), (24, 8142, 128)])
def test_the_rank_is_that_of_lift(blocks: int, classes: int, rank: int) -> None:
    assert default_rank(blocks, classes) == rank


def test_a_cosine_classifier_starts_at_the_normalised_means_of_classes_that_have_samples() -> None:
    classifier = CosineClassifier(3, 4, 25.0, learnt_scale=False)
    kept = classifier.weight_CF[1].clone()
    features_NF, labels_N = np.random.default_rng(0).normal(2, 1, (9, 3)).astype(np.float32), np.array([0, 2, 3] * 3)
    classifier.start_at_means(features_NF, labels_N)
    for label in (0, 2, 3):
        mean_F = features_NF[labels_N == label].astype(np.float64).mean(0)
        expected = mean_F / np.linalg.norm(mean_F)
        np.testing.assert_allclose(classifier.weight_CF[label].detach().numpy(), expected, rtol=1e-6)
    assert torch.equal(classifier.weight_CF[1], kept)
