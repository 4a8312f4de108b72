"""Classifiers and pooling against NumPy in float64."""

import numpy as np
import pytest
import torch

from backbones.classifiers import DROPOUT, AttentionPool, CosineClassifier, MeanPool, mlp


def test_cosine_is_the_scaled_cosine_whatever_the_lengths():
    torch.manual_seed(0)
    classifier = CosineClassifier(7, 4).double()
    with torch.no_grad():
        classifier.weight_CF *= torch.logspace(-2, 3, 4, dtype=torch.float64)[:, None]
    features_BF = torch.randn(5, 7, dtype=torch.float64) * torch.logspace(-2, 3, 5, dtype=torch.float64)[:, None]
    weight_CF, f_BF = classifier.weight_CF.detach().numpy(), features_BF.numpy()
    lengths_BC = np.linalg.norm(f_BF, axis=1)[:, None] * np.linalg.norm(weight_CF, axis=1)[None, :]
    np.testing.assert_allclose(classifier(features_BF).detach(), 10.0 * f_BF @ weight_CF.T / lengths_BC, rtol=1e-12)


@pytest.mark.parametrize("features", [2, 1280])
def test_cosine_starts_with_class_weights_of_length_one(features):
    weight_CF = CosineClassifier(features, 400).weight_CF.detach().double().numpy()
    np.testing.assert_allclose(np.linalg.norm(weight_CF, axis=1), 1, rtol=1e-6)
    assert np.linalg.norm(weight_CF.mean(0)) < 0.2, "directions cancel"


@pytest.mark.parametrize(("map_size", "groups"), [(16, 8), (12, 6), (7, 7), (11, 1)])
def test_attention_pooling_is_its_formula_on_every_kind_of_map(map_size, groups):
    pool = AttentionPool(map_size).double()
    if map_size != 11:
        assert pool.groups == groups
    generator = torch.Generator().manual_seed(1)
    pool.query_F.data = torch.randn(map_size, generator=generator, dtype=torch.float64)
    map_BFHW = torch.randn(3, map_size, 2, 5, generator=generator, dtype=torch.float64)
    x_BTF = map_BFHW.numpy().reshape(3, map_size, 10).transpose(0, 2, 1)
    centred_BTF = x_BTF - x_BTF.mean(-1, keepdims=True)
    normed_BTF = centred_BTF / np.sqrt(x_BTF.var(-1, keepdims=True) + 1e-5)
    expected_BF = np.empty((3, map_size))
    size = map_size // pool.groups
    for g in range(pool.groups):
        part = slice(g * size, (g + 1) * size)
        scores_BT = normed_BTF[:, :, part] @ pool.query_F.detach().numpy()[part] / np.sqrt(size)
        shares_BT = np.exp(scores_BT) / np.exp(scores_BT).sum(1, keepdims=True)
        expected_BF[:, part] = np.einsum("bt,btf->bf", shares_BT, x_BTF[:, :, part])
    for map_ in (map_BFHW, map_BFHW.permute(0, 2, 3, 1), map_BFHW.flatten(2).transpose(1, 2)):
        np.testing.assert_allclose(pool(map_).detach(), expected_BF, rtol=1e-9)


def test_attention_pooling_starts_at_the_mean():
    map_ = torch.randn(2, 16, 3, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(AttentionPool(16)(map_), map_.mean((2, 3)))
    torch.testing.assert_close(MeanPool(16)(map_), map_.mean((2, 3)))


@pytest.mark.parametrize("hidden", [1, 2, 3])
def test_mlp_is_hidden_layers_with_batch_norm_and_dropout_then_linear(hidden):
    kinds = [type(layer).__name__ for layer in mlp(10, 4, hidden)]
    assert kinds == ["Linear", "BatchNorm1d", "ReLU", "Dropout"] * hidden + ["Linear"]
    assert mlp(10, 4, hidden)(torch.randn(3, 10)).shape == (3, 4)


def test_mlp_drops_in_training_only():
    network = mlp(10, 4, 1)
    x = torch.randn(64, 10)
    kept = network[:4].train()(x).ne(0).double().mean() / network[:3](x).ne(0).double().mean()
    assert abs(kept.item() - (1 - DROPOUT)) < 0.03
    assert torch.equal(network.eval()(x), network(x))
