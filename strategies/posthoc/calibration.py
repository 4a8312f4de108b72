"""Temperature scaling. Shapes: N rows, C classes."""

from __future__ import annotations

import numpy as np

LEAST, MOST = 0.05, 20.0
_STEPS = 60


def log_softmax(logits_NC: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Return log softmax(z / T), float64 [N, C]."""
    scaled_NC = np.asarray(logits_NC, dtype=np.float64) / temperature
    scaled_NC = scaled_NC - scaled_NC.max(axis=1, keepdims=True)
    return scaled_NC - np.log(np.exp(scaled_NC).sum(axis=1, keepdims=True))


def temperature(logits_NC: np.ndarray, labels_N: np.ndarray) -> float:
    """Return the T in [0.05, 20] that minimises the mean of -log softmax(z / T)_y; 1 where there are no rows.

    Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, arXiv:1706.04599, section 4.2.
    The loss is convex in 1/T with the derivative mean(E_p[z] - z_y), whose zero is found by bisection. The bounds are
    ours: a model that is right on every row has no minimum.
    """
    if len(labels_N) == 0:
        return 1.0
    z_NC = np.asarray(logits_NC, dtype=np.float64)
    own_N = z_NC[np.arange(len(z_NC)), labels_N]

    def slope(inverse: float) -> float:
        """The loss's derivative in 1/T."""
        p_NC = np.exp(log_softmax(z_NC, 1 / inverse))
        return float(((p_NC * z_NC).sum(axis=1) - own_N).mean())

    low, high = 1 / MOST, 1 / LEAST
    for _ in range(_STEPS):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return float(1 / np.sqrt(low * high))
