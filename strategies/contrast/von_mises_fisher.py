"""The von Mises-Fisher distribution on the unit sphere in P dimensions, where its formulas need a Bessel function."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

MOST = 1e5  # concentration of a class whose samples agree, as in ProCo's code


def concentration(length: Tensor, size: int) -> Tensor:
    """Return kappa = R (P - R^2) / (1 - R^2), at most `MOST`, for mean vectors of length R; P is `size`.

    Banerjee, Dhillon, Ghosh, Sra, "Clustering on the Unit Hypersphere using von Mises-Fisher Distributions", JMLR 2005.
    """
    rest = (1 - length.square()).clamp_min(1e-12)
    return (length * (size - length.square()) / rest).clamp_max(MOST)


def log_bessel(kappa: Tensor, size: int) -> Tensor:
    """Return log(I_v(kappa) / kappa^v), v = P / 2 - 1, for kappa of at least 0; P is `size`, at least 32.

    By the uniform expansion in 1 / v (Abramowitz, Stegun, 9.7.7) up to the third order, which is exact to 1e-6 for
    P = 32 and 1e-8 for P = 128; its gradient is I_(v+1) / I_v.
    """
    v = size / 2 - 1
    root = (1 + (kappa / v).square()).sqrt()
    t = 1 / root
    u1 = t * (3 - 5 * t**2) / 24
    u2 = t**2 * (81 - 462 * t**2 + 385 * t**4) / 1152
    u3 = t**3 * (30375 - 369603 * t**2 + 765765 * t**4 - 425425 * t**6) / 414720
    series = u1 / v + u2 / v**2 + u3 / v**3
    constant = v * math.log(v) + 0.5 * math.log(2 * math.pi * v)
    return v * (root - (1 + root).log()) - 0.5 * root.log() + series.log1p() - constant
