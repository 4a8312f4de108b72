"""Sharpness-aware minimisation: the gradient of a step is taken where the loss is highest nearby."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from strategies.base import Strategy
from strategies.registry import register
from strategies.space import Real, Space

if TYPE_CHECKING:
    from torch import nn


@register
@dataclasses.dataclass(frozen=True)
class SharpnessAware(Strategy):
    """Take each step with the gradient at w + e, e = rho g / |g|, g the gradient at w over all trained weights.

    Foret, Kleiner, Mobahi, Neyshabur, "Sharpness-Aware Minimization for Efficiently Improving Generalization", ICLR
    2021, arXiv:2010.01412, equation 2 with p = 2 and algorithm 1. With `ldam+drw` it is what Rangwani, Aithal, Mishra,
    Babu, "Escaping Saddle Points for Effective Generalization on Class-Imbalanced Data", NeurIPS 2022,
    arXiv:2212.13827, propose for long tails. A step takes two passes, hence twice as long.

    Default `rho=0.05` from section 3.1 of the first paper; the second one raises rho when the weights begin. `rho` is
    at least 0.
    Deviation: batch-norm statistics are updated by the first pass only; a gradient of zero moves nothing.
    """

    name = "sam"
    summary = "take each step with the gradient at the worst point near the weights"
    ranges = {"rho": "[0, inf)"}

    rho: float = 0.05

    def space(self) -> Space:
        """The values that section 3 tries."""
        return {"rho": Real(0.01, 0.5, log=True)}

    def ascend(self, network: nn.Module) -> Callable[[], None]:
        """Move the trained weights by e."""
        import torch

        moved = [(p, p.detach().clone(), p.grad) for p in network.parameters() if p.grad is not None]
        with torch.no_grad():
            if moved:
                length = torch.stack([g.norm() for _, _, g in moved]).norm()
                factor = self.rho / length.clamp_min(torch.finfo(length.dtype).tiny)
                for parameter, _, gradient in moved:
                    parameter.add_(gradient * factor)

        def move_back() -> None:
            """Put the weights back, bit for bit."""
            with torch.no_grad():
                for parameter, before, _ in moved:
                    parameter.copy_(before)

        return move_back
