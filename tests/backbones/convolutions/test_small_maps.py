"""`SmallMapConv2d` gives the outputs and gradients of `nn.Conv2d`, whichever way it computes them."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from backbones.convolutions.small_maps import SmallMapConv2d, ease_small_maps, restore_convolutions
from backbones.convolutions.taps import taps_used
from backbones.network import build


def _pair(**options: object) -> tuple[nn.Conv2d, nn.Conv2d]:
    torch.manual_seed(0)
    channels = 4, 8 if options.get("groups") == 4 else 6  # four groups: depthwise
    plain = nn.Conv2d(*channels, dtype=torch.float64, **options)  # type: ignore[arg-type]
    eased = nn.Sequential(nn.Conv2d(*channels, dtype=torch.float64, **options))  # type: ignore[arg-type]
    eased[0].load_state_dict(plain.state_dict())
    ease_small_maps(eased)
    assert type(eased[0]) is SmallMapConv2d
    return plain, eased[0]


def _outcome(layer: nn.Conv2d, images_BCHW: Tensor) -> list[Tensor]:
    """Return the output and the gradients of the images, the weight and the bias."""
    images_BCHW = images_BCHW.clone().requires_grad_()
    out = layer(images_BCHW)
    weights = torch.arange(out.numel(), dtype=out.dtype).reshape(out.shape).sin()
    (out * weights).sum().backward()
    assert images_BCHW.grad is not None and layer.weight.grad is not None and layer.bias is not None
    assert layer.bias.grad is not None
    return [out, images_BCHW.grad, layer.weight.grad, layer.bias.grad]


def _sides(most: int, least: int = 1) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(least, most), st.integers(least, most))


def _layers(size: int, kernel: int, stride: int, padding: int, dilation: int) -> st.SearchStrategy[dict[str, Any]]:
    """Return options of a convolution, each up to so much, and the "size" of its maps."""
    options = st.fixed_dictionaries(
        {
            "size": _sides(size),
            "kernel_size": _sides(kernel),
            "stride": _sides(stride),
            "padding": _sides(padding, 0),
            "dilation": _sides(dilation),
            "groups": st.sampled_from([1, 2, 4]),
        }
    )
    return options.filter(_fits)


def _fits(layer: dict[str, Any]) -> bool:
    sides = zip(layer["size"], layer["kernel_size"], layer["padding"], layer["dilation"], strict=True)
    return all(n + 2 * p >= d * (k - 1) + 1 for n, k, p, d in sides)


@settings(max_examples=300, deadline=None)
@given(
    layer=_layers(7, 7, 3, 5, 3) | _layers(3, 3, 2, 1, 2),
    layout=st.sampled_from([torch.contiguous_format, torch.channels_last]),
)
def test_outputs_and_gradients_are_those_of_torchs_convolution(
    layer: dict[str, Any], layout: torch.memory_format
) -> None:
    size = layer.pop("size")
    plain, eased = _pair(**layer)
    eased.to(memory_format=layout)
    images_BCHW = torch.randn(3, 4, *size, dtype=torch.float64).to(memory_format=layout)
    for expected, got in zip(_outcome(plain, images_BCHW), _outcome(eased, images_BCHW), strict=True):
        assert got.shape == expected.shape
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


def test_shapes_can_be_computed_without_numbers() -> None:
    """On torch's "meta" device, which has no autocast."""
    _, eased = _pair(kernel_size=3, padding=1)
    assert eased.to("meta")(torch.empty(2, 4, 2, 2, dtype=torch.float64, device="meta")).shape == (2, 6, 2, 2)


@pytest.mark.parametrize(
    ("size", "stride", "used"),
    [(1, 1, (1, 2)), (1, 2, (1, 2)), (2, 2, (1, 3)), (2, 1, (0, 3)), (3, 1, (0, 3)), (56, 2, (0, 3))],
)
def test_of_three_taps_those_that_meet_pixels_are_used(size: int, stride: int, used: tuple[int, int]) -> None:
    assert taps_used(size, kernel=3, stride=stride, padding=1, dilation=1) == used


def test_taps_that_lie_apart_are_left_out_too() -> None:
    assert taps_used(2, kernel=3, stride=1, padding=2, dilation=2) == (1, 2)


@pytest.mark.parametrize(
    ("size", "dtype", "expected"),
    [
        (1, torch.float32, (2, 4)),  # one tap of nine meets the pixel
        (2, torch.float32, (8, 36)),
        (3, torch.float32, None),
        (4, torch.bfloat16, (32, 36)),
        (5, torch.bfloat16, None),
    ],
)
def test_few_pixels_are_matrix_products_of_the_taps_that_meet_them(
    size: int, dtype: torch.dtype, expected: tuple[int, int] | None
) -> None:
    """Maps with more pixels are left to torch's convolution, which is faster there."""
    _, eased = _pair(kernel_size=3, padding=1)
    images_BCHW = torch.randn(2, 4, size, size, dtype=dtype)
    eased.to(dtype, memory_format=torch.channels_last)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True) as profile:
        eased(images_BCHW)
    operations = {event.name: event.input_shapes for event in profile.events()}
    assert ("aten::convolution" in operations) == (expected is None)
    assert expected is None or operations["aten::addmm"][1] == list(expected)


def test_gradients_summed_over_taps_are_as_precise_as_torchs() -> None:
    """Nine gradients of a pixel, added in bfloat16 one after the other, would lose what float32 keeps."""
    plain, eased = _pair(kernel_size=3, padding=1)
    with torch.no_grad():
        for layer in (plain, eased):
            layer.to(memory_format=torch.channels_last).weight.copy_(layer.weight.bfloat16())
    images_BCHW, upstream = torch.zeros(64, 4, 4, 4), torch.randn(64, 6, 4, 4).bfloat16()

    def gradient(layer: nn.Conv2d, dtype: torch.dtype) -> Tensor:
        at = images_BCHW.to(dtype).requires_grad_()
        return torch.autograd.grad(layer.to(dtype)(at), at, upstream.to(dtype))[0].double()

    exact = gradient(plain, torch.float64)
    torchs, ours = ((gradient(layer, torch.bfloat16) - exact).square().mean().sqrt() for layer in (plain, eased))
    assert ours < 1.7 * torchs


def test_in_autocast_the_taps_are_those_of_torchs_convolution_in_its_precision() -> None:
    plain, eased = _pair(kernel_size=3, padding=1)
    for layer in (plain, eased):
        layer.float().to(memory_format=torch.channels_last)
    for size in (1, 2):
        images_BCHW = torch.randn(8, 4, size, size)
        with torch.autocast("cpu", torch.bfloat16):
            expected, got = _outcome(plain, images_BCHW), _outcome(eased, images_BCHW)
        assert got[0].dtype == torch.bfloat16
        for one, other in zip(expected, got, strict=True):
            assert one.dtype == other.dtype
            torch.testing.assert_close(one, other, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("size", [1, 2])
def test_gradients_and_outputs_have_the_memory_layout_of_the_weight(size: int) -> None:
    """torch copies any other layout in every step."""
    _, eased = _pair(kernel_size=3, padding=1)
    eased.to(memory_format=torch.channels_last)
    out = eased(torch.randn(2, 4, size, size, dtype=torch.float64))
    (gradient,) = torch.autograd.grad(out.sum(), eased.weight)  # `.grad` would be a copy in the weight's layout
    assert gradient.stride() == eased.weight.stride()
    assert out.is_contiguous(memory_format=torch.channels_last)


def test_layers_behind_may_work_in_place() -> None:
    plain, eased = _pair(kernel_size=1)
    images_BCHW = torch.randn(5, 4, 2, 2, dtype=torch.float64)
    behind = [nn.Sequential(layer, nn.ReLU(inplace=True)) for layer in (plain, eased)]
    behind[1].to(memory_format=torch.channels_last)
    expected, got = (torch.autograd.grad(layers(images_BCHW).sum(), layers[0].weight)[0] for layers in behind)
    torch.testing.assert_close(got, expected)


def test_other_kinds_of_convolutions_are_left_alone() -> None:
    class Own(nn.Conv2d):
        pass

    layers = nn.Sequential(Own(3, 3, 3), nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect"))
    same = nn.Conv2d(3, 3, 3, padding="same")
    ease_small_maps(nn.Sequential(layers, same))
    assert [type(layer) for layer in layers] == [Own, nn.Conv2d]
    assert same(torch.zeros(1, 3, 1, 1)).shape == (1, 3, 1, 1)


def test_a_backbone_is_built_with_them_and_keeps_its_names() -> None:
    network = build("resnet10t", 5, image_size=32, seed=0)
    assert any(type(module) is SmallMapConv2d for module in network.encoder.modules())
    assert not any(type(module) is nn.Conv2d for module in network.encoder.modules())
    assert "layer4.0.conv1.weight" in network.encoder.state_dict()


def _trained(network: nn.Module, steps: int = 3) -> Tensor:
    """Return the network's outputs after a few steps of SGD with momentum and weight decay."""
    images_BCHW = torch.randn(6, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        network(images_BCHW)[0].square().mean().backward()
        optimizer.step()
    return network(images_BCHW)[0]


def test_a_network_trains_as_with_torchs_convolutions() -> None:
    ours, torchs = (build("resnet10t", 5, image_size=32, seed=0).double() for _ in range(2))
    for network in (ours, torchs):
        network.to(memory_format=torch.channels_last)
    restore_convolutions(torchs)
    torch.testing.assert_close(_trained(ours), _trained(torchs), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("px", [24, 32, 64])
def test_states_have_timms_shapes(px: int) -> None:
    """So that an exported state loads into a plain timm model."""
    ours, plain = build("resnet10t", 5, image_size=px, seed=0).encoder, timm.create_model("resnet10t", num_classes=0)
    shapes = [{name: tensor.shape for name, tensor in encoder.state_dict().items()} for encoder in (ours, plain)]
    assert shapes[0] == shapes[1]
