"""What finished cells predicted for validation rows, from the stored outputs of their jobs."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from benchmarks.planning.plan import Cell
from benchmarks.planning.stages import Stage
from benchmarks.planning.store import Store
from benchmarks.running.scoring import stage_outputs
from benchmarks.tools.recommend.goals import Predicted
from strategies.combining.expression import parse


def predictions(store: Store, cells: Iterable[tuple[Cell, Stage]]) -> dict[str, Predicted]:
    """Return, by strategy, what its finished cells predicted for the validation rows of their stage, by seed.

    A cell whose stored outputs were removed is left out.
    """
    found: dict[str, dict[int, np.ndarray]] = {}
    sorted_N = np.zeros(0, dtype=np.int64)
    for cell, stage in cells:
        key = cell.jobs[-1][-1]
        if store.has_predictions(key):
            labels_N = stage.labels_N[stage.data.validation_rows]
            order_N = np.argsort(labels_N, kind="stable")
            predicted_N = _predicted(store, key, cell.strategy, stage, labels_N)
            found.setdefault(cell.strategy, {})[cell.seed] = predicted_N[order_N]
            sorted_N = labels_N[order_N]  # the same in every fold
    return {strategy: Predicted(sorted_N, by_seed) for strategy, by_seed in found.items()}


def _predicted(store: Store, key: str, strategy: str, stage: Stage, labels_N: np.ndarray) -> np.ndarray:
    """Return the class with the highest logit, int64 [N]; -1 where a logit is NaN."""
    _, held = stage_outputs(store, [key], labels_N)
    logits_NC = parse(strategy).predict(held, stage.facts).numpy()
    return np.where(np.isnan(logits_NC).any(axis=1), -1, logits_NC.argmax(axis=1))
