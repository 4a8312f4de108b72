"""Temperature scaling. Shapes: N rows, C classes."""

from __future__ import annotations

import math

import numpy as np

LEAST, MOST = 0.05, 20.0


def log_softmax(logits_NC: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Return log softmax(z / T), float64 [N, C]."""
    scaled_NC = np.asarray(logits_NC, dtype=np.float64) / temperature
    scaled_NC = scaled_NC - scaled_NC.max(axis=1, keepdims=True)
    return scaled_NC - np.log(np.exp(scaled_NC).sum(axis=1, keepdims=True))


def temperature(logits_NC: np.ndarray, labels_N: np.ndarray) -> float:
    """Return the T in [0.05, 20] that minimises the mean of -log softmax(z / T)_y; 1 where there are no rows.

    Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, arXiv:1706.04599, section 4.2.
    The loss is convex in 1/T with the derivative mean(E_p[z] - z_y); Brent's method finds its zero. The bounds are
    ours: a model that is right on every row has no minimum.
    """
    if len(labels_N) == 0:
        return 1.0
    from scipy.optimize import brentq

    z_NC = np.asarray(logits_NC, dtype=np.float64)
    z_NC = z_NC - z_NC.max(axis=1, keepdims=True)  # neither the softmax nor the derivative depends on a row's shift
    own = float(z_NC[np.arange(len(z_NC)), labels_N].mean())

    def slope(log_inverse: float) -> float:
        """The loss's derivative in 1/T at log 1/T."""
        e_NC = np.exp(z_NC * math.exp(log_inverse))
        return float((np.einsum("nc,nc->n", e_NC, z_NC) / e_NC.sum(axis=1)).mean()) - own

    low, high = -math.log(MOST), -math.log(LEAST)
    if slope(low) >= 0:
        return MOST
    if slope(high) <= 0:
        return LEAST
    return math.exp(-float(brentq(slope, low, high, xtol=1e-12)))
