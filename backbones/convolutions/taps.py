"""Which taps of a convolution's kernel ever meet a pixel on maps of a given size."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from typing import Any

Pair = tuple[int, int]
Taps = tuple[int, int]  # half-open range of taps along one side: the first, and the one after the last


@functools.lru_cache(maxsize=4096)
def taps_used(size: int, kernel: int, stride: int, padding: int, dilation: int) -> Taps:
    """Return the smallest range of taps along one side that contains every tap that meets one of `size` pixels.

    Returns all taps, (0, `kernel`), where a kernel of fewer taps would change the size of the output.
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


@dataclasses.dataclass(frozen=True, eq=False)
class Geometry:
    """A convolution on maps of one size, cut to the taps that meet pixels. Pairs are (rows, columns).

    `used`: the taps that meet pixels. `crops`: whether the kernel has others. `padding`: what the used taps need.
    `outputs`: size of the output in pixels.
    """

    used: tuple[Taps, Taps]
    crops: bool
    stride: Pair
    padding: Pair
    dilation: Pair
    outputs: Pair

    @functools.cached_property
    def taps(self) -> Pair:
        """How many taps are used."""
        return self.used[0][1] - self.used[0][0], self.used[1][1] - self.used[1][0]

    @functools.cached_property
    def where(self) -> tuple[Any, ...]:
        """The index of the used taps in a weight [O, I, H, W]."""
        return ..., *(slice(*taps) for taps in self.used)

    @functools.cached_property
    def pixels_met(self) -> list[tuple[slice, slice]]:
        """The rows and columns of the padded input that each used tap meets."""
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
    crops = (rows, columns) != ((0, kernel[0]), (0, kernel[1]))
    return Geometry((rows, columns), crops, stride, left, dilation, (high, wide))
