"""Convolutions on feature maps of a few pixels, which are bound by their weights, and computed here as fast as those.

A 3 x 3 kernel on a 1 x 1 map multiplies eight of its nine taps by zeros, yet all nine are cast, laid out anew and given
a gradient in every step: taps that meet only padding are left out. And on a CPU a convolution to a few pixels takes
up to ten times as long as the matrix products that compute the same: what the taps meet, times the weights.
Shapes: B batch, I O channels, H W pixels, h w taps, P = B H W pixels of the output, K = h w I weights of each.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from backbones.modes import evaluating
from backbones.taps import Geometry, Pair, Taps, geometry

# Output pixels x taps, up to which the matrix products are faster: nine taps for 4 x 4 pixels in bfloat16, whose
# products are the faster ones, and for 2 x 2 in other precisions.
MOST_MET = {torch.bfloat16: 144}
MOST_MET_OTHERWISE = 36


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
    """A convolution padded with zeros, with ways of its own for maps of a few pixels.

    `kept`: the taps that its weight holds, None for all of them; `largest`: the largest maps that these are enough for.
    """

    kept: tuple[Taps, Taps] | None = None
    largest: Pair | None = None

    def forward(self, input: Tensor) -> Tensor:
        """Return what `nn.Conv2d` returns; a tap that was left out has a gradient of zero, as there.

        Raises `ValueError` for maps larger than those for which `keep_taps` was told that its taps are enough.
        """
        if isinstance(self.padding, str) or input.dim() != 4:
            return super().forward(input)
        where = self._geometry((input.shape[2], input.shape[3]))
        weight, dtype = self.weight, _computed_in(self.weight, input.device.type)
        if self.kept not in (None, where.stored):
            weight = self._with_zeros(weight)
        product = self._is_product(input, where, dtype)
        if product and where.taps != (1, 1):
            return _as_maps(_Product.apply(input, weight, self.bias, where, dtype), where)
        if where.crops:
            weight = _Crop.apply(weight, where, dtype)
        if product:  # of one tap: torch derives it as fast
            met_PK = _met(input.permute(0, 2, 3, 1), where)
            return _as_maps(functional.linear(met_PK, weight.flatten(1), self.bias), where)
        return functional.conv2d(input, weight, self.bias, self.stride, where.padding, self.dilation, self.groups)

    def keep_taps(self, largest: Pair) -> None:
        """Keep only the taps that meet pixels of maps of up to `largest` pixels; the others would never be trained.

        States are then of the kept taps; those of whole weights are still taken.
        """
        where = self._geometry(largest)
        if where.crops:
            self.weight = nn.Parameter(self.weight.detach()[where.where].clone(), self.weight.requires_grad)
            self.kept, self.largest = where.used, largest
            self.register_load_state_dict_pre_hook(_take_kept)

    def _geometry(self, size: Pair) -> Geometry:
        if self.largest and (size[0] > self.largest[0] or size[1] > self.largest[1]):
            raise ValueError(f"a convolution that was cut down to maps of {self.largest} pixels got one of {size}.")
        return geometry(size, self.kernel_size, self.stride, self.padding, self.dilation, self.kept)

    def _with_zeros(self, weight: Tensor) -> Tensor:
        """Return the weight with all taps: some smaller maps want them, though only those kept meet a pixel there."""
        (top, bottom), (left, right) = self.kept  # type: ignore[misc]
        missing = (left, self.kernel_size[1] - right, top, self.kernel_size[0] - bottom)
        return functional.pad(weight, missing).to(memory_format=torch.channels_last)

    def _is_product(self, input: Tensor, where: Geometry, dtype: torch.dtype) -> bool:
        """Whether products are faster: they want the weight as a matrix, which it is where channels come last."""
        met = where.outputs[0] * where.outputs[1] * where.taps[0] * where.taps[1]
        few = met <= MOST_MET.get(dtype, MOST_MET_OTHERWISE)
        last = self.weight.is_contiguous(memory_format=torch.channels_last)
        return few and self.groups == 1 and input.is_cpu and last


def _take_kept(module: SmallMapConv2d, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Cut the weight of a state that has all taps down to those that the module keeps."""
    weight = state.get(f"{prefix}weight")
    if weight is not None and weight.shape[2:] == module.kernel_size and module.kept:
        rows, columns = module.kept
        state[f"{prefix}weight"] = weight[..., slice(*rows), slice(*columns)]


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


def keep_used_taps(encoder: nn.Module, image_size: int) -> None:
    """Let every `SmallMapConv2d` keep only the taps that images of up to `image_size` pixels ever meet, in place.

    A ResNet at 32 px trains less than half of its weights: its last maps are 1 x 1. Outputs and the other gradients
    stay as they are, for images of up to that size.
    """
    largest: dict[SmallMapConv2d, Pair] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(module, SmallMapConv2d)
        before = largest.get(module, (0, 0))
        largest[module] = max(before[0], inputs[0].shape[-2]), max(before[1], inputs[0].shape[-1])

    convolutions = [module for module in encoder.modules() if isinstance(module, SmallMapConv2d)]
    if not convolutions:
        return
    hooks = [module.register_forward_pre_hook(note) for module in convolutions]
    with evaluating(encoder):
        encoder(convolutions[0].weight.new_zeros(1, 3, image_size, image_size))
    for hook in hooks:
        hook.remove()
    for module, size in largest.items():
        if not isinstance(module.padding, str):
            module.keep_taps(size)
