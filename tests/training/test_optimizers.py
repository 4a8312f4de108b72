"""Two optimisers joined: each steps as it would alone, and states are restored to the bit."""

from __future__ import annotations

import copy
from pathlib import Path

import torch

from benchmarks.suites.suite import Epochs, Recipe
from benchmarks.training import checkpoint
from benchmarks.training.optimizers import Joined, make_optimizer
from strategies.base import Text


def _layers() -> torch.nn.ModuleList:
    torch.manual_seed(0)
    return torch.nn.ModuleList([torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)])


def _step(layers: torch.nn.ModuleList, optimizer: torch.optim.Optimizer, seed: int) -> None:
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(seed))
    optimizer.zero_grad()
    (layers[0](x) * layers[1](x)).square().sum().backward()
    optimizer.step()


def _recipe() -> Recipe:
    return Recipe(image_size=8, epochs=Epochs(), learning_rate=0.01, weight_decay=0.1)


def _joined(layers: torch.nn.ModuleList) -> torch.optim.Optimizer:
    return make_optimizer(_recipe(), layers, None, Text(), list(layers[1].parameters()))


def test_each_part_steps_as_it_would_alone() -> None:
    joined, apart = _layers(), _layers()
    both = _joined(joined)
    groups = [
        [{"params": [layer.weight], "weight_decay": decay}, {"params": [layer.bias], "weight_decay": 0.0}]
        for layer, decay in zip(apart, (0.1, 0.01), strict=True)
    ]
    sgd, adam = torch.optim.SGD(groups[0], lr=0.01, momentum=0.9), torch.optim.AdamW(groups[1], lr=0.002)
    for seed in range(4):
        _step(joined, both, seed)
        apart.zero_grad()
        x = torch.randn(5, 3, generator=torch.Generator().manual_seed(seed))
        (apart[0](x) * apart[1](x)).square().sum().backward()
        sgd.step()
        adam.step()
    for ours, theirs in zip(joined.parameters(), apart.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_state_that_was_stored_goes_on_with_the_same_bits() -> None:
    layers = _layers()
    optimizer = _joined(layers)
    assert isinstance(optimizer, Joined)
    for seed in range(3):
        _step(layers, optimizer, seed)
    again = copy.deepcopy(layers)
    resumed = _joined(again)
    stored = {name: tensor.clone() for name, tensor in checkpoint.pack_optimizer(optimizer).items()}
    checkpoint.unpack_optimizer(resumed, stored)
    for seed in range(3, 6):
        for one, other in ((layers, optimizer), (again, resumed)):
            for group in other.param_groups:
                group["lr"] = 0.001 * seed
            _step(one, other, seed)
    assert all(torch.equal(a, b) for a, b in zip(layers.parameters(), again.parameters(), strict=True))


def test_a_restored_buffer_has_the_memory_layout_of_its_parameter(tmp_path: Path) -> None:
    """torch's fused kernels read raw memory: a buffer in another layout would be added to the wrong weights."""
    layer = _channels_last_layer()
    optimizer = make_optimizer(_recipe(), layer)
    _step_on_images(layer, optimizer, 0)
    checkpoint.save(tmp_path / "state", checkpoint.pack_optimizer(optimizer), {})
    again = copy.deepcopy(layer)
    resumed = make_optimizer(_recipe(), again)
    checkpoint.unpack_optimizer(resumed, checkpoint.load(tmp_path / "state")[0])
    assert resumed.state[again.weight]["momentum_buffer"].stride() == again.weight.stride()
    for one, other in ((layer, optimizer), (again, resumed)):
        _step_on_images(one, other, 1)
    assert torch.equal(layer.weight, again.weight)


def _channels_last_layer() -> torch.nn.Conv2d:
    torch.manual_seed(0)
    return torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)


def _step_on_images(layer: torch.nn.Conv2d, optimizer: torch.optim.Optimizer, seed: int) -> None:
    images_BCHW = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
    optimizer.zero_grad()
    layer(images_BCHW.to(memory_format=torch.channels_last)).square().sum().backward()
    optimizer.step()


def test_a_rate_set_on_the_whole_is_the_parts() -> None:
    layers = _layers()
    optimizer = _joined(layers)
    before = [p.detach().clone() for p in layers.parameters()]
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    _step(layers, optimizer, 0)
    assert all(torch.equal(a, b) for a, b in zip(before, layers.parameters(), strict=True))
    assert [group.get("peak") for group in optimizer.param_groups] == [None, None, 0.002, 0.002]
