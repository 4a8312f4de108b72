"""The expected gain of a strategy: its gain on validation rows, shrunk toward what earlier results predict.

Rare classes have few validation rows, and the best of fifty strategies on few rows is mostly the luckiest. So a
strategy's gain over plain training is shrunk toward what its gain in earlier results (`earlier.py`) predicts, more
strongly the less certain it is (Fay, Herriot, Estimates of Income for Small Places, JASA 74 (1979), 269-277):

    y_s = a + b x_s + u_s + e_s,   expected_s = a + b x_s + t / (t + v_s) (y_s - a - b x_s)

x_s: the earlier gain, y_s: the gain on validation rows, whose error e_s has variance v_s, t: the variance of u_s, how
far strategies are from the line. a, b and t are estimated from the better half of the earlier ranking, because the pick
is among the good ones and bad ones may fail in their own ways. Where that ranking does not hold, b is near 0 or t is
large, and where rows are many, v_s is small; then the rows decide.

Shape suffixes: S strategies, P coefficients.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import numpy as np

LEAST_KNOWN = 5  # strategies; a line through fewer points says little
LEAST_SPREAD = 1e-6  # of t: a tenth of a point, squared


def expected(gains: Mapping[str, float], errors: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    """Return each strategy's gain over plain training, shrunk toward the fitted line.

    `gains`: on validation rows; `errors`: their standard errors (NaN: unknown); `before`: gains in earlier results.
    Strategies without earlier gains, or in their lower half, are shrunk toward the mean of all. Gains stay unchanged
    if fewer than `LEAST_KNOWN` strategies are in the better half.
    """
    known = [name for name in gains if name in before]
    half = statistics.median(before[name] for name in known) if known else 0.0
    names = [name for name in known if before[name] >= half]
    if len(names) < LEAST_KNOWN:
        return dict(gains)
    everyone, x_S = list(gains), np.array([before[name] for name in names])
    return {
        **_drawn(everyone, gains, errors, np.ones((len(everyone), 1))),
        **_drawn(names, gains, errors, np.stack([np.ones(len(names)), x_S], axis=1)),
    }


def _drawn(
    names: Sequence[str], gains: Mapping[str, float], errors: Mapping[str, float], design_SP: np.ndarray
) -> dict[str, float]:
    """Return gains shrunk toward the least-squares fit of `design_SP`."""
    y_S = np.array([gains[name] for name in names])
    v_S = np.nan_to_num(np.square([errors[name] for name in names]), nan=np.inf)
    t = _spread(y_S, v_S, design_SP)
    fit_S = _fit(y_S, v_S, design_SP, t)
    return dict(zip(names, (fit_S + t / (t + v_S) * (y_S - fit_S)).tolist(), strict=True))


def _fit(y_S: np.ndarray, v_S: np.ndarray, design_SP: np.ndarray, t: float) -> np.ndarray:
    """Return the fit by least squares with weights 1 / (t + v)."""
    root_S = 1 / np.sqrt(t + v_S)
    return np.asarray(design_SP @ np.linalg.lstsq(design_SP * root_S[:, None], y_S * root_S, rcond=None)[0])


def _spread(y_S: np.ndarray, v_S: np.ndarray, design_SP: np.ndarray) -> float:
    """Return t, which solves sum_s (y_s - fit_s)^2 / (t + v_s) = S - P, at least `LEAST_SPREAD` (Fay, Herriot)."""
    freedom = np.isfinite(v_S).sum() - design_SP.shape[1]
    low, high = LEAST_SPREAD, 1.0
    for _ in range(40):
        t = (low * high) ** 0.5
        excess = np.sum((y_S - _fit(y_S, v_S, design_SP, t)) ** 2 / (t + v_S)) > freedom
        low, high = (t, high) if excess else (low, t)
    return float(low)
