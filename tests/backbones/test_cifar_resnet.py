"""ResNet-32 of the CIFAR experiments: its size, its shortcuts, its first weights."""

from __future__ import annotations

import pytest
import torch

from backbones.cifar_resnet import Block
from backbones.network import build


def test_it_has_the_papers_layers_and_parameters() -> None:
    network = build("resnet32", 10, image_size=32, seed=0)
    convolutions = [m for m in network.encoder.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) + 1 == 32
    assert {m.kernel_size for m in convolutions} == {(3, 3)}
    assert network.feature_size == 64
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(0.46e6, rel=0.02)
    assert network.mean == (0.4914, 0.4822, 0.4465)


def test_its_first_weights_are_hes_and_a_function_of_the_seed() -> None:
    one, again, other = (build("resnet32", 10, image_size=32, seed=seed).encoder for seed in (0, 0, 1))
    weight = one.groups[2][3].conv1.weight
    assert float(weight.detach().std()) == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)
    assert torch.equal(weight, again.groups[2][3].conv1.weight)
    assert not torch.equal(weight, other.groups[2][3].conv1.weight)


def test_the_shortcut_takes_every_second_pixel_and_pads_with_empty_channels() -> None:
    block = Block(4, 8, stride=2).eval()
    torch.nn.init.zeros_(block.conv2.weight)  # the residual is then nothing
    x_BFHW = torch.rand(2, 4, 6, 6)
    y_BFHW = block(x_BFHW)
    assert y_BFHW.shape == (2, 8, 3, 3)
    assert torch.equal(y_BFHW[:, 2:6], x_BFHW[:, :, ::2, ::2])
    assert not y_BFHW[:, :2].any() and not y_BFHW[:, 6:].any()
