"""Convolutions on feature maps of a few pixels, which are bound by their weights, and computed here as fast as those.

A 3 x 3 kernel on a 1 x 1 map multiplies eight of its nine taps by zeros, yet all nine are cast, laid out anew and given
a gradient in every step: taps that meet only padding are left out. And on a CPU a convolution to a few pixels takes
two to six times as long as the matrix product that computes the same: what the taps meet, times the weights.
Shapes: B batch, I O channels, H W pixels, h w taps.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

MOST_MET = 36  # output pixels x taps: nine taps for 2 x 2 pixels, one for 4 x 4 and more; above, torch's way is faster

Taps = tuple[int, int]  # the first one along a side, and the one after the last


@functools.lru_cache(maxsize=4096)
def taps_used(size: int, kernel: int, stride: int, padding: int, dilation: int) -> Taps:
    """Return the taps along one side between which all that meet a pixel of `size` ones anywhere lie.

    All taps, (0, `kernel`), where leaving some out would not leave the output as large as it is.
    """
    outputs = _outputs(size, kernel, stride, padding, dilation)
    meets = [
        any(0 <= output * stride - padding + tap * dilation < size for output in range(outputs))
        for tap in range(kernel)
    ]
    if not any(meets):
        return 0, kernel
    first, end = meets.index(True), kernel - meets[::-1].index(True)
    left = padding - first * dilation
    fits = left >= 0 and _outputs(size, end - first, stride, left, dilation) == outputs
    return (first, end) if fits else (0, kernel)


def _outputs(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


class _Crop(torch.autograd.Function):
    """weight [O, I, H, W] -> some of its taps, [O, I, h, w], in another dtype; all are laid out like the weight.

    The gradient too, which slicing's is not: one that is not would be copied in every step.
    """

    @staticmethod
    def forward(ctx: Any, weight: Tensor, rows: Taps, columns: Taps, dtype: torch.dtype) -> Tensor:
        """Return the taps of `rows` and `columns`."""
        ctx.where = (..., slice(*rows), slice(*columns))
        ctx.like = weight
        return weight[ctx.where].to(dtype, copy=True)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        """Return the gradient of the weight, zero where taps were left out."""
        whole = torch.zeros_like(ctx.like)
        whole[ctx.where] = gradients[0]
        return whole, None, None, None


class SmallMapConv2d(nn.Conv2d):
    """A convolution padded with zeros, with ways of its own for maps of a few pixels."""

    def forward(self, input: Tensor) -> Tensor:
        """Return what `nn.Conv2d` returns; a tap that was left out has a gradient of zero, as there."""
        if isinstance(self.padding, str) or input.dim() != 4:
            return super().forward(input)
        sizes = input.shape[-2:]
        sides = list(zip(sizes, self.kernel_size, self.stride, self.padding, self.dilation, strict=True))
        rows, columns = (taps_used(*side) for side in sides)
        weight, padding = self.weight, self.padding
        if (rows, columns) != ((0, self.kernel_size[0]), (0, self.kernel_size[1])):
            weight = _Crop.apply(weight, rows, columns, _computed_in(weight, input.device.type))
            padding = tuple(p - taps[0] * d for p, taps, d in zip(padding, (rows, columns), self.dilation, strict=True))
        outputs = [_outputs(*side) for side in sides]
        if self._is_product(input, weight, outputs):
            return product(input, weight, self.bias, self.stride, padding, self.dilation, outputs)
        return functional.conv2d(input, weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def _is_product(self, input: Tensor, weight: Tensor, outputs: Sequence[int]) -> bool:
        """Whether a matrix product is faster: it wants the weight as a matrix, which it is where channels come last."""
        few = outputs[0] * outputs[1] * weight.shape[2] * weight.shape[3] <= MOST_MET
        return few and self.groups == 1 and input.is_cpu and weight.is_contiguous(memory_format=torch.channels_last)


def _computed_in(weight: Tensor, device: str) -> torch.dtype:
    """Return the dtype in which a convolution with this weight computes."""
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype


def product(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    outputs: Sequence[int],
) -> Tensor:
    """Return the convolution [B, O, H, W], channels last, of `outputs` = (H, W) pixels, as one matrix product.

    input [B, I, ., .], weight [O, I, h, w], bias [O] or None.
    """
    pixels = input.permute(0, 2, 3, 1)
    if any(padding):
        pixels = functional.pad(pixels, (0, 0, padding[1], padding[1], padding[0], padding[0]))
    rows, columns = (
        [
            slice(tap * dilation[side], tap * dilation[side] + (outputs[side] - 1) * stride[side] + 1, stride[side])
            for tap in range(weight.shape[2 + side])
        ]
        for side in (0, 1)
    )
    taps = [pixels[:, row, column] for row in rows for column in columns]
    met = (torch.cat(taps, 3) if len(taps) > 1 else taps[0]).flatten(0, 2)
    out = functional.linear(met, weight.permute(0, 2, 3, 1).flatten(1), bias)
    return out.unflatten(0, (-1, *outputs)).permute(0, 3, 1, 2)


def ease_small_maps(network: nn.Module) -> None:
    """Turn every plain convolution of `network` into a `SmallMapConv2d`, in place.

    Names, weights and hooks stay. Subclasses of `nn.Conv2d` are left alone: they have reasons of their own.
    """
    for module in network.modules():
        if type(module) is nn.Conv2d and module.padding_mode == "zeros":
            module.__class__ = SmallMapConv2d
