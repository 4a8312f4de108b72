"""Convolutions on feature maps of a few pixels, which are bound by their weights, and computed here as fast as those.

A 3 x 3 kernel on a 1 x 1 map multiplies eight of its nine taps by zeros, yet all nine are cast, laid out anew and given
a gradient in every step: taps that meet only padding are left out. And on a CPU a convolution to a few pixels takes
up to ten times as long as the matrix products that compute the same: what the taps meet, times the weights.
Shapes: B batch, I O channels, H W pixels, h w taps, P = B H W pixels of the output, K = h w I weights of each.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

# Output pixels x taps, up to which the matrix products are faster: nine taps for 4 x 4 pixels in bfloat16, whose
# products are the faster ones, and for 2 x 2 in other precisions.
MOST_MET = {torch.bfloat16: 144}
MOST_MET_OTHERWISE = 36

Pair = tuple[int, int]
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


class Geometry(NamedTuple):
    """Where a convolution's taps lie on maps of one size; each pair is along rows and along columns."""

    kernel: Pair  # taps that the weight has
    used: tuple[Taps, Taps]
    stride: Pair
    padding: Pair  # beside the used taps
    dilation: Pair
    outputs: Pair  # pixels of the output

    @property
    def crops(self) -> bool:
        """Whether taps are left out."""
        return self.used != ((0, self.kernel[0]), (0, self.kernel[1]))

    @property
    def taps(self) -> Pair:
        """How many taps are used."""
        return self.used[0][1] - self.used[0][0], self.used[1][1] - self.used[1][0]

    @property
    def where(self) -> tuple[Any, ...]:
        """The index of the used taps in a weight [O, I, H, W]."""
        return ..., slice(*self.used[0]), slice(*self.used[1])

    @property
    def pixels_met(self) -> list[tuple[slice, slice]]:
        """Which rows and columns of the padded input each used tap meets."""
        rows, columns = (
            [slice(tap * dilation, tap * dilation + (outputs - 1) * stride + 1, stride) for tap in range(taps)]
            for taps, outputs, stride, dilation in zip(self.taps, self.outputs, self.stride, self.dilation, strict=True)
        )
        return list(itertools.product(rows, columns))


@functools.lru_cache(maxsize=4096)
def geometry(size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Geometry:
    """Return the geometry of a convolution on maps of `size` pixels."""
    sides = list(zip(size, kernel, stride, padding, dilation, strict=True))
    rows, columns = (taps_used(*side) for side in sides)
    left = padding[0] - rows[0] * dilation[0], padding[1] - columns[0] * dilation[1]
    high, wide = (_outputs(*side) for side in sides)
    return Geometry(kernel, (rows, columns), stride, left, dilation, (high, wide))


class _Crop(torch.autograd.Function):
    """weight [O, I, H, W] -> its used taps, [O, I, h, w], in another dtype; all are laid out like the weight."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, where: Geometry, dtype: torch.dtype) -> Tensor:
        """Return the used taps."""
        ctx.where, ctx.like = where, weight
        return weight[where.where].to(dtype, copy=True)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient of the weight, zero where taps were left out."""
        return _whole(gradients[0], ctx.like, ctx.where), None, None


def _whole(gradient: Tensor, weight: Tensor, where: Geometry) -> Tensor:
    """Return the gradient of a weight from that of its used taps [O, I, h, w].

    It is laid out like the weight, as slicing's own would not be: one that is not would be copied in every step.
    """
    if not where.crops:
        return gradient.to(weight.dtype)
    whole = torch.zeros_like(weight)
    whole[where.where] = gradient
    return whole


class _Product(torch.autograd.Function):
    """A convolution whose channels come last, as matrix products; its output is a matrix [P, O].

    It can be derived once, not twice.
    """

    @staticmethod
    def forward(
        ctx: Any, input: Tensor, weight: Tensor, bias: Tensor | None, where: Geometry, dtype: torch.dtype
    ) -> Tensor:
        """Return the output, a tensor of its own and no view: layers that follow may work in place."""
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
    """pixels [B, H, W, I] -> what the taps meet [P, K] at each pixel of the output."""
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
    """The gradient of what the taps meet -> that of the input [B, I, H, W], summed in float32 at least."""
    batch, channels, height, width = shape
    gradient = gradient_PK.view(batch, *where.outputs, *where.taps, channels)
    precise = gradient.to(torch.promote_types(gradient.dtype, torch.float32))
    above, left = where.padding
    pixels = precise.new_zeros((batch, height + 2 * above, width + 2 * left, channels))
    for (row, column), of_tap in zip(where.pixels_met, precise.flatten(3, 4).unbind(3), strict=True):
        pixels[:, row, column].add_(of_tap)
    return pixels[:, above : above + height, left : left + width].permute(0, 3, 1, 2).to(dtype)


class SmallMapConv2d(nn.Conv2d):
    """A convolution padded with zeros, with ways of its own for maps of a few pixels."""

    def forward(self, input: Tensor) -> Tensor:
        """Return what `nn.Conv2d` returns; a tap that was left out has a gradient of zero, as there."""
        if isinstance(self.padding, str) or input.dim() != 4:
            return super().forward(input)
        size = input.shape[2], input.shape[3]
        where = geometry(size, self.kernel_size, self.stride, self.padding, self.dilation)  # type: ignore[arg-type]
        weight, dtype = self.weight, _computed_in(self.weight, input.device.type)
        product = self._is_product(input, where, dtype)
        if product and where.taps != (1, 1):
            return _as_maps(_Product.apply(input, weight, self.bias, where, dtype), where)
        if where.crops:
            weight = _Crop.apply(weight, where, dtype)
        if product:  # of one tap: torch derives it as fast
            return _as_maps(
                functional.linear(_met(input.permute(0, 2, 3, 1), where), weight.flatten(1), self.bias), where
            )
        return functional.conv2d(input, weight, self.bias, self.stride, where.padding, self.dilation, self.groups)

    def _is_product(self, input: Tensor, where: Geometry, dtype: torch.dtype) -> bool:
        """Whether products are faster: they want the weight as a matrix, which it is where channels come last."""
        met = where.outputs[0] * where.outputs[1] * where.taps[0] * where.taps[1]
        few = met <= MOST_MET.get(dtype, MOST_MET_OTHERWISE)
        last = self.weight.is_contiguous(memory_format=torch.channels_last)
        return few and self.groups == 1 and input.is_cpu and last


def _as_maps(out_PO: Tensor, where: Geometry) -> Tensor:
    """[P, O] -> [B, O, H, W]."""
    return out_PO.view(-1, *where.outputs, out_PO.shape[1]).permute(0, 3, 1, 2)


def _computed_in(weight: Tensor, device: str) -> torch.dtype:
    """Return the dtype in which a convolution with this weight computes."""
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype


def ease_small_maps(network: nn.Module) -> None:
    """Turn every plain convolution of `network` into a `SmallMapConv2d`, in place.

    Names, weights and hooks stay. Subclasses of `nn.Conv2d` are left alone: they have reasons of their own.
    """
    for module in network.modules():
        if type(module) is nn.Conv2d and module.padding_mode == "zeros":
            module.__class__ = SmallMapConv2d
