"""What finished cells predicted for validation rows, from the stored outputs of their jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from benchmarks.planning.plan import Cell
from benchmarks.planning.stages import Stage
from benchmarks.planning.store import Store
from benchmarks.running.scoring import stage_outputs
from benchmarks.tools.recommend.goals import Predicted
from strategies.combining.expression import parse
from strategies.posthoc.calibration import log_softmax, temperature


def predictions(store: Store, cells: Iterable[tuple[Cell, Stage]]) -> dict[str, Predicted]:
    """Return, by strategy, what its finished cells predicted for the validation rows of their stage, by seed.

    A cell whose stored outputs were removed is left out.
    """
    found: dict[str, dict[int, tuple[np.ndarray, np.ndarray]]] = {}  # strategy -> seed -> logits and labels
    for cell, stage in cells:
        key = cell.jobs[-1][-1]
        if store.has_predictions(key):
            labels_N = stage.labels_N[stage.data.validation_rows]
            order_N = np.argsort(labels_N, kind="stable")
            _, held = stage_outputs(store, [key], labels_N)
            logits_NC = parse(cell.strategy).predict(held, stage.facts).numpy()
            found.setdefault(cell.strategy, {})[cell.seed] = logits_NC[order_N], labels_N[order_N]
    return {strategy: _predicted(by_seed) for strategy, by_seed in found.items()}


def _predicted(by_seed: Mapping[int, tuple[np.ndarray, np.ndarray]]) -> Predicted:
    """Return the class with the highest logit of each row, -1 where a logit is NaN, and graded accuracy."""
    logits = [logits_NC for logits_NC, _ in by_seed.values()]
    labels = [labels_N for _, labels_N in by_seed.values()]
    whole_MC, labels_M = np.concatenate(logits), np.concatenate(labels)
    sane_M = np.isfinite(whole_MC).all(axis=1)
    by_temperature = temperature(whole_MC[sane_M], labels_M[sane_M])  # one for all folds: a fold has few rows
    classes = [np.where(np.isnan(of_NC).any(axis=1), -1, of_NC.argmax(axis=1)) for of_NC in logits]
    graded = [_graded(of_NC, labels_N, by_temperature) for of_NC, labels_N in by_seed.values()]
    return Predicted(labels[0], dict(zip(by_seed, classes, strict=True)), dict(zip(by_seed, graded, strict=True)))


def _graded(logits_NC: np.ndarray, labels_N: np.ndarray, by_temperature: float) -> np.ndarray:
    """Return 1 - Brier score / 2 of each row, float64 [N]; 0 where a logit is not finite."""
    sane_N = np.isfinite(logits_NC).all(axis=1)
    errors_NC = np.exp(log_softmax(np.where(sane_N[:, None], logits_NC, 0.0), by_temperature))
    errors_NC[np.arange(len(labels_N)), labels_N] -= 1
    return np.where(sane_N, 1 - np.square(errors_NC).sum(axis=1) / 2, 0.0)
