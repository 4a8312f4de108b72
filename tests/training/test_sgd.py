"""`ChannelsLastSGD` is torch's fused SGD to the bit: parameters, states, and how they lie in memory."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from benchmarks.training.sgd import ChannelsLastSGD

Optimizer = type[torch.optim.SGD]


def _network() -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Conv2d(6, 4, (2, 1)), nn.Conv2d(4, 8, 1), nn.Conv2d(8, 2, 3)
    ).to(memory_format=torch.channels_last)
    network[4].weight.data = network[4].weight.data.contiguous()  # one that lies otherwise
    return network


def _steps(network: nn.Module, optimizer: torch.optim.Optimizer, first: int, end: int) -> None:
    for seed in range(first, end):
        optimizer.zero_grad(set_to_none=True)
        images_BCHW = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
        out = network(images_BCHW.to(memory_format=torch.channels_last))
        out.square().mean().backward()
        optimizer.step()


def _made(kind: Optimizer, network: nn.Module) -> torch.optim.SGD:
    return kind(network.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01, fused=True)


def _same(ours: nn.Module, our: torch.optim.SGD, theirs: nn.Module, their: torch.optim.SGD) -> None:
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        momenta = our.state[p]["momentum_buffer"], their.state[q]["momentum_buffer"]
        for one, other in ((p, q), (p.grad, q.grad), momenta):
            assert one is not None and other is not None
            assert torch.equal(one, other) and one.stride() == other.stride(), name


def test_updates_and_states_are_torchs_to_the_bit() -> None:
    ours, theirs = _network(), _network()
    our, their = _made(ChannelsLastSGD, ours), _made(torch.optim.SGD, theirs)
    _steps(ours, our, 0, 4)
    _steps(theirs, their, 0, 4)
    _same(ours, our, theirs, their)
    assert not torch.equal(ours[0].weight, _network()[0].weight)


def test_a_state_goes_from_one_to_the_other() -> None:
    theirs = _network()
    their = _made(torch.optim.SGD, theirs)
    _steps(theirs, their, 0, 2)
    ours = copy.deepcopy(theirs)
    our = _made(ChannelsLastSGD, ours)
    our.load_state_dict(copy.deepcopy(their.state_dict()))
    _steps(ours, our, 2, 4)
    _steps(theirs, their, 2, 4)
    _same(ours, our, theirs, their)


def test_a_step_that_fails_leaves_the_parameters_in_their_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    network = _network()
    optimizer = _made(ChannelsLastSGD, network)
    _steps(network, optimizer, 0, 2)
    shapes = [(p.shape, p.stride()) for p in network.parameters()]

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("no step today")

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.SGD, "step", fails)
        with pytest.raises(RuntimeError, match="no step today"):
            optimizer.step()
    assert [(p.shape, p.stride()) for p in network.parameters()] == shapes
    _steps(network, optimizer, 2, 3)


def test_no_gradient_is_laid_out_anew() -> None:
    network = _network()
    optimizer = _made(ChannelsLastSGD, network[:4])
    _steps(network, optimizer, 0, 2)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        optimizer.step()
    names = {event.key for event in profile.key_averages()}
    assert "aten::_fused_sgd_" in names and "aten::contiguous" not in names and "aten::copy_" not in names
