"""What every registered backbone promises, plugins' included once they have registered."""

import pytest
import torch

from backbones.errors import BackboneError
from backbones.network import Network, build
from backbones.registry import list_backbones

pytestmark = pytest.mark.usefixtures("one_thread")
NAMES = [name for name, _ in list_backbones()]
SMALLEST_PX = {"inception_v3": 75}


@pytest.fixture(scope="module", params=NAMES)
def network(request) -> Network:
    return _build(request.param, seed=3)


def _build(spec: str, seed: int) -> Network:
    size = SMALLEST_PX.get(spec.partition(":")[0], 32)
    try:
        network = build(spec, 5, image_size=size, seed=seed)
    except BackboneError as error:  # a plugin's: the sentence ends with a size that works
        size = int(str(error).split()[-2])
        network = build(spec, 5, image_size=size, seed=seed)
    network.image_size = size
    return network


def _images(network: Network) -> torch.Tensor:
    size = network.image_size
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))


def test_logits_and_features_have_their_shapes_and_every_parameter_gets_a_gradient(network):
    logits_BC, features_BF = network.train()(_images(network))
    assert logits_BC.shape == (2, 5)
    assert features_BF.shape == (2, network.feature_size)
    (logits_BC * torch.arange(5.0)).sum().backward()
    without = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert not without


def test_channels_last_gives_the_same_logits(network):
    with torch.no_grad():
        plain_BC, _ = network.eval()(_images(network))
        last_BC, _ = network(_images(network).contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(plain_BC, last_BC, rtol=1e-3, atol=1e-4)


def test_normalisation_is_known_per_channel(network):
    assert len(network.mean) == len(network.std) == 3
    assert all(0 < value < 1 for value in network.mean + network.std)


def test_attention_pooling_takes_its_map_from_the_same_encoder(network):
    attentive = _build(f"{network.spec}:attention", seed=3)
    ours, theirs = dict(network.encoder.named_parameters()), dict(attentive.encoder.named_parameters())
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    logits_BC, features_BF = attentive.train()(_images(attentive))
    assert features_BF.shape == (2, network.feature_size)
    (logits_BC * torch.arange(5.0)).sum().backward()
    assert not [name for name, parameter in attentive.named_parameters() if parameter.grad is None]
