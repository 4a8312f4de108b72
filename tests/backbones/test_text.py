"""The name's encoder against NumPy, and the networks that read names."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backbones.network import build
from backbones.text import FusionNetwork, NameNetwork, TextEncoder, carry

TINY = "test_resnet"


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _gru(x_TD: np.ndarray, weights: dict[str, np.ndarray], suffix: str) -> np.ndarray:
    """Return the states [T, H] of a GRU over one unpadded sequence, by its equations."""
    w_ih, w_hh, b_ih, b_hh = (weights[f"gru.{n}_l0{suffix}"] for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    h_H, states = np.zeros(w_hh.shape[1]), []
    for x_D in x_TD:
        reset_i, update_i, new_i = np.split(w_ih @ x_D + b_ih, 3)
        reset_h, update_h, new_h = np.split(w_hh @ h_H + b_hh, 3)
        r, z = _sigmoid(reset_i + reset_h), _sigmoid(update_i + update_h)
        h_H = (1 - z) * np.tanh(new_i + r * new_h) + z * h_H
        states.append(h_H)
    return np.array(states)


def test_features_are_maximum_and_mean_of_an_unpacked_gru() -> None:
    torch.manual_seed(0)
    encoder = TextEncoder(9, embedding_size=5, hidden_size=3).double().eval()
    tokens_BT = torch.tensor([[4, 2, 8, 3], [7, 0, 0, 0], [1, 5, 0, 0]])
    weights = {name: tensor.numpy() for name, tensor in encoder.state_dict().items()}
    expected = []
    for row_T in tokens_BT.numpy():
        x_TD = weights["embedding.weight"][row_T[row_T != 0]]
        backwards = _gru(x_TD[::-1], weights, "_reverse")[::-1]
        states_TH = np.concatenate([_gru(x_TD, weights, ""), backwards], axis=1)
        expected.append(np.concatenate([states_TH.max(axis=0), states_TH.mean(axis=0)]))
    given = encoder(tokens_BT).detach().numpy()
    assert given.shape == (3, encoder.feature_size) == (3, 12)
    np.testing.assert_allclose(given, expected, rtol=1e-6)


def test_padding_has_no_influence_on_features_or_gradients() -> None:
    torch.manual_seed(0)
    encoder = TextEncoder(9, 5, 3).double().eval()
    alone, padded = torch.tensor([[4, 2]]), torch.tensor([[4, 2, 0, 0, 0], [3, 5, 6, 7, 8]])
    gradients = []
    for tokens_BT in (alone, padded):
        encoder.zero_grad()
        encoder(tokens_BT)[0].square().sum().backward()
        gradients.append([p.grad.clone() for p in encoder.parameters()])
    torch.testing.assert_close(encoder(alone)[0], encoder(padded)[0])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b)
    assert not gradients[1][0][0].any(), "the embedding of padding is never trained"


def test_word_dropout_makes_words_unknown_in_training_only_and_never_padding() -> None:
    encoder = TextEncoder(9, 5, 3, word_dropout=1.0, dropout=0.0).train()
    tokens_BT = torch.tensor([[4, 2, 8], [7, 0, 0]])
    unknown_BT = torch.tensor([[1, 1, 1], [1, 0, 0]])
    lost = encoder(tokens_BT)
    encoder.eval()
    torch.testing.assert_close(lost, encoder(unknown_BT))
    assert not torch.allclose(encoder(tokens_BT), encoder(unknown_BT))


@pytest.mark.parametrize("classifier", ["", ":mlp2", ":cosine", ":attention"])
def test_fusion_works_with_every_classifier_and_keeps_the_image_encoder(classifier: str) -> None:
    plain = build(TINY + classifier, 4, image_size=32, seed=3)
    encoder = {n: t.clone() for n, t in plain.encoder.state_dict().items()}
    network = FusionNetwork(plain, 9, 4, seed=3).eval()
    assert all(torch.equal(t, encoder[n]) for n, t in network.encoder.state_dict().items())
    images_BCHW, tokens_BT = torch.rand(3, 3, 32, 32), torch.tensor([[4, 2], [7, 0], [1, 0]])
    logits_BC, features_BF = network(images_BCHW, tokens_BT)
    assert logits_BC.shape == (3, 4)
    assert features_BF.shape == (3, network.feature_size)
    other_BC, _ = network(images_BCHW, tokens_BT.flip(0))
    third_BC, _ = network(images_BCHW.flip(0), tokens_BT)
    assert not torch.allclose(logits_BC, other_BC)
    assert not torch.allclose(logits_BC, third_BC)


def test_first_weights_are_functions_of_the_seed() -> None:
    def bits(seed: int, fusion: bool) -> list[torch.Tensor]:
        plain = build(TINY, 4, image_size=32, seed=seed)
        return list((FusionNetwork(plain, 9, 4, seed) if fusion else NameNetwork(9, 4, seed)).state_dict().values())

    for fusion in (False, True):
        assert all(torch.equal(a, b) for a, b in zip(bits(1, fusion), bits(1, fusion), strict=True))
        assert not all(torch.equal(a, b) for a, b in zip(bits(1, fusion), bits(2, fusion), strict=True))


def test_names_alone_take_no_image_and_names_must_be_given() -> None:
    network = NameNetwork(9, 4, seed=0).eval()
    logits_BC, _ = network(torch.zeros(2, 3, 0, 0), torch.tensor([[4, 2], [7, 0]]))
    assert logits_BC.shape == (2, 4)
    with pytest.raises(ValueError, match="reads names"):
        network(torch.zeros(2, 3, 0, 0))


@pytest.mark.parametrize("fusion", [False, True])
def test_a_later_stage_keeps_the_encoders_and_what_was_learnt_of_earlier_words(fusion: bool) -> None:
    def make(vocabulary: int, classes: int, seed: int) -> NameNetwork | FusionNetwork:
        if not fusion:
            return NameNetwork(vocabulary, classes, seed)
        return FusionNetwork(build(TINY, classes, image_size=32, seed=seed), vocabulary, classes, seed)

    before, after = make(5, 3, seed=1), make(7, 4, seed=2)
    fresh = {n: t.clone() for n, t in after.state_dict().items()}
    carry(after, before.state_dict())
    for name, tensor in after.state_dict().items():
        if name.startswith("classifier."):
            assert torch.equal(tensor, fresh[name])
        elif name.endswith("embedding.weight"):
            assert torch.equal(tensor[:5], before.state_dict()[name])
            assert torch.equal(tensor[5:], fresh[name][5:])
        else:
            assert torch.equal(tensor, before.state_dict()[name]), name


def test_names_are_read_in_float32_where_the_image_is_computed_in_bfloat16() -> None:
    network = FusionNetwork(build(TINY, 4, image_size=32, seed=0), 9, 4, seed=0).eval()
    images_BCHW, tokens_BT = torch.rand(2, 3, 32, 32), torch.tensor([[4, 2], [7, 0]])
    exact_BF = network.text(tokens_BT)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(network.text(tokens_BT), exact_BF)
        logits_BC, _ = network(images_BCHW, tokens_BT)
    logits_BC.float().sum().backward()
    assert torch.isfinite(network.text.embedding.weight.grad).all()
