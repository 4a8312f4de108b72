"""Faster convolutions on feature maps of a few pixels: skip taps that only see padding, use matrix products, and pad.

On a 1 x 1 map, eight of the nine taps of a 3 x 3 kernel only see padding, yet torch casts and reorders all nine and
computes their gradients in every step. On the CPU, a convolution with few output pixels also takes up to ten times as
long as the equivalent matrix product (im2col), and the gradients of a depthwise one take long on maps smaller than its
kernel. Results equal those of `nn.Conv2d` up to rounding.
Gains: docs/performance.md.
Shapes: B batch, I O channels, H W pixels, h w taps, P = B H W pixels of the output, K = h w I weights of each.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from backbones.convolutions.taps import Geometry, Pair, geometry

# Output pixels times taps up to which matrix products are faster than torch's convolution: nine taps on 4 x 4 pixels
# in bfloat16, and on 2 x 2 in other precisions.
MOST_MET = {torch.bfloat16: 144}
MOST_MET_OTHERWISE = 36


class _Crop(torch.autograd.Function):
    """weight [O, I, H, W] -> its used taps, [O, I, h, w], in another dtype and in the memory layout of the weight."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, where: Geometry, dtype: torch.dtype) -> Tensor:
        """Return the used taps."""
        ctx.where, ctx.like = where, weight
        return weight[where.where].to(dtype, copy=True)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient of the weight, zero for unused taps."""
        return _whole(gradients[0], ctx.like, ctx.where), None, None


def _whole(gradient: Tensor, weight: Tensor, where: Geometry) -> Tensor:
    """Return the gradient of a weight, given that of its used taps [O, I, h, w].

    It has the memory layout of the weight; autograd would copy a gradient of any other layout in every step.
    """
    if not where.crops:
        return gradient.to(weight.dtype)
    whole = torch.zeros_like(weight)
    whole[where.where] = gradient
    return whole


class _Product(torch.autograd.Function):
    """A channels_last convolution as matrix products; its output is a matrix [P, O].

    It has no second derivative.
    """

    @staticmethod
    def forward(
        ctx: Any, input: Tensor, weight: Tensor, bias: Tensor | None, where: Geometry, dtype: torch.dtype
    ) -> Tensor:
        """Return the output as a new tensor, not a view, so that the next layer may work in place."""
        met_PK = _met(input.permute(0, 2, 3, 1).to(dtype), where)
        weight_OK = weight[where.where].permute(0, 2, 3, 1).to(dtype).flatten(1)
        ctx.save_for_backward(met_PK, weight_OK, weight)
        ctx.where, ctx.like, ctx.biased = where, (input.shape, input.dtype), None if bias is None else bias.dtype
        if bias is None:
            return torch.mm(met_PK, weight_OK.t())
        return torch.addmm(bias.to(dtype), met_PK, weight_OK.t())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_PO: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        """Return the gradients of the input, the weight and the bias."""
        met_PK, weight_OK, weight = ctx.saved_tensors
        of_input = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_input = _unmet(torch.mm(gradient_PO, weight_OK), ctx.where, *ctx.like)
        if ctx.needs_input_grad[1]:
            of_taps = torch.mm(gradient_PO.t(), met_PK).unflatten(1, (*ctx.where.taps, -1)).permute(0, 3, 1, 2)
            of_weight = _whole(of_taps, weight, ctx.where)
        if ctx.needs_input_grad[2]:
            of_bias = gradient_PO.sum(0, dtype=ctx.biased)
        return of_input, of_weight, of_bias, None, None


def _met(pixels: Tensor, where: Geometry) -> Tensor:
    """Return the input values under the taps at each output pixel [P, K], for an input [B, H, W, I] (im2col)."""
    if any(where.padding):
        above, left = where.padding
        pixels = functional.pad(pixels, (0, 0, left, left, above, above))
    if where.taps == (1, 1):
        return pixels[:, :: where.stride[0], :: where.stride[1]].flatten(0, 2)
    pixels = pixels.contiguous()
    batch, row, column, channel = pixels.stride()
    down, along = where.stride
    met = pixels.as_strided(
        (len(pixels), *where.outputs, *where.taps, pixels.shape[-1]),
        (batch, row * down, column * along, row * where.dilation[0], column * where.dilation[1], channel),
    )
    return met.reshape(-1, where.taps[0] * where.taps[1] * pixels.shape[-1])


def _unmet(gradient_PK: Tensor, where: Geometry, shape: torch.Size, dtype: torch.dtype) -> Tensor:
    """Return the gradient of the input [B, I, H, W] given that of `_met`'s output, summed in float32 or better."""
    batch, channels, height, width = shape
    gradient = gradient_PK.view(batch, *where.outputs, *where.taps, channels)
    precise = gradient.to(torch.promote_types(gradient.dtype, torch.float32))
    above, left = where.padding
    pixels = precise.new_zeros((batch, height + 2 * above, width + 2 * left, channels))
    for (row, column), of_tap in zip(where.pixels_met, precise.flatten(3, 4).unbind(3), strict=True):
        pixels[:, row, column].add_(of_tap)
    return pixels[:, above : above + height, left : left + width].permute(0, 3, 1, 2).to(dtype)


class SmallMapConv2d(nn.Conv2d):
    """A zero-padded convolution that computes maps of a few pixels faster than `nn.Conv2d`, with the same result."""

    def forward(self, input: Tensor) -> Tensor:
        """Return what `nn.Conv2d` returns; unused taps get a gradient of zero, as there."""
        if isinstance(self.padding, str) or input.dim() != 4:
            return super().forward(input)
        size = input.shape[2], input.shape[3]
        where = geometry(size, self.kernel_size, self.stride, self.padding, self.dilation)
        weight, dtype = self.weight, _computed_in(self.weight, input.device.type)
        product = self._is_product(input, where, dtype)
        if product and where.taps != (1, 1):
            return _as_maps(_Product.apply(input, weight, self.bias, where, dtype), where)
        if where.crops:
            weight = _Crop.apply(weight, where, dtype)
        if product:  # a single tap: torch's own gradient is as fast
            met_PK = _met(input.permute(0, 2, 3, 1), where)
            return _as_maps(functional.linear(met_PK, weight.flatten(1), self.bias), where)
        missing = self._missing(input, where)
        if missing != (0, 0):
            input = functional.pad(input, (0, missing[1], 0, missing[0]))
        output = functional.conv2d(input, weight, self.bias, self.stride, where.padding, self.dilation, self.groups)
        return output if missing == (0, 0) else output[..., : where.outputs[0], : where.outputs[1]]

    def _missing(self, input: Tensor, where: Geometry) -> Pair:
        """Return how many rows and columns of zeros make a map of a depthwise convolution as large as its kernel.

        On smaller maps, torch takes up to twelve times as long for the gradients.
        """
        if self.groups != self.in_channels or self.groups == 1 or not input.is_cpu or not torch.is_grad_enabled():
            return 0, 0
        high, wide = (max(0, taps - size) for taps, size in zip(where.taps, input.shape[2:], strict=True))
        return high, wide

    def _is_product(self, input: Tensor, where: Geometry, dtype: torch.dtype) -> bool:
        """Whether matrix products are faster. They need a channels_last weight, which is then a matrix already."""
        met = where.outputs[0] * where.outputs[1] * where.taps[0] * where.taps[1]
        few = met <= MOST_MET.get(dtype, MOST_MET_OTHERWISE)
        last = self.weight.is_contiguous(memory_format=torch.channels_last)
        return few and self.groups == 1 and input.is_cpu and last


def _as_maps(out_PO: Tensor, where: Geometry) -> Tensor:
    """[P, O] -> [B, O, H, W]."""
    return out_PO.view(-1, *where.outputs, out_PO.shape[1]).permute(0, 3, 1, 2)


def _computed_in(weight: Tensor, device: str) -> torch.dtype:
    """Return the dtype in which a convolution with this weight computes."""
    # torch raises if asked about a device without autocast, such as "meta"
    lowered = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
    return torch.get_autocast_dtype(device) if lowered else weight.dtype


def ease_small_maps(network: nn.Module) -> None:
    """Turn every plain convolution of `network` into a `SmallMapConv2d`, in place.

    Names, weights and hooks stay. Subclasses of `nn.Conv2d` are left alone: they may compute something else.
    """
    for module in network.modules():
        if type(module) is nn.Conv2d and module.padding_mode == "zeros":
            module.__class__ = SmallMapConv2d


def restore_convolutions(network: nn.Module) -> None:
    """Undo `ease_small_maps`, in place."""
    for module in network.modules():
        if type(module) is SmallMapConv2d:
            module.__class__ = nn.Conv2d  # type: ignore[assignment]
