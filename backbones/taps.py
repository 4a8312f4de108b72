"""Where the taps of a convolution's kernel lie on maps of a size, and which of them ever meet a pixel there."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from typing import Any

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


@dataclasses.dataclass(frozen=True, eq=False)
class Geometry:
    """Where a convolution's taps lie on maps of one size; each pair is along rows and along columns.

    `stored`, `used`: the taps that the weight holds, and those of them that meet pixels. `padding`: beside the used
    ones. `outputs`: pixels of the output.
    """

    stored: tuple[Taps, Taps]
    used: tuple[Taps, Taps]
    stride: Pair
    padding: Pair
    dilation: Pair
    outputs: Pair

    @functools.cached_property
    def crops(self) -> bool:
        """Whether taps of the weight are left out."""
        return self.used != self.stored

    @functools.cached_property
    def taps(self) -> Pair:
        """How many taps are used."""
        return self.used[0][1] - self.used[0][0], self.used[1][1] - self.used[1][0]

    @functools.cached_property
    def where(self) -> tuple[Any, ...]:
        """The index of the used taps in a weight [O, I, H, W]."""
        slices = [slice(u[0] - s[0], u[1] - s[0]) for u, s in zip(self.used, self.stored, strict=True)]
        return ..., *slices

    @functools.cached_property
    def pixels_met(self) -> list[tuple[slice, slice]]:
        """Which rows and columns of the padded input each used tap meets."""
        rows, columns = (
            [slice(tap * dilation, tap * dilation + (outputs - 1) * stride + 1, stride) for tap in range(taps)]
            for taps, outputs, stride, dilation in zip(self.taps, self.outputs, self.stride, self.dilation, strict=True)
        )
        return list(itertools.product(rows, columns))


@functools.lru_cache(maxsize=4096)
def geometry(
    size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, stored: tuple[Taps, Taps] | None = None
) -> Geometry:
    """Return the geometry of a convolution on maps of `size` pixels; None: all taps of the `kernel` are stored."""
    sides = list(zip(size, kernel, stride, padding, dilation, strict=True))
    rows, columns = (taps_used(*side) for side in sides)
    whole = (0, kernel[0]), (0, kernel[1])
    if stored is None or not all(s[0] <= u[0] and u[1] <= s[1] for s, u in zip(stored, (rows, columns), strict=True)):
        stored = whole
    left = padding[0] - rows[0] * dilation[0], padding[1] - columns[0] * dilation[1]
    high, wide = (_outputs(*side) for side in sides)
    return Geometry(stored, (rows, columns), stride, left, dilation, (high, wide))
