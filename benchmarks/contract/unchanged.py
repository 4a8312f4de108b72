"""The clauses about what a strategy leaves alone: the global random generators, and the facts."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

from benchmarks.contract.cases import PROGRESS, Case, batches, odd, ordinary, samples
from benchmarks.contract.clause import Broken, expect
from benchmarks.contract.step import network_for, try_step
from strategies.base import Strategy


def randomness(strategy: Strategy) -> None:
    """torch's, NumPy's and Python's global generators stay as they are; the generator handed in decides everything."""
    for case in ordinary()[:4]:
        before = _global_states()
        for _, batch in batches(case):
            answers = [_answer(strategy, case, batch, seed=seed) for seed in (0, 0)]
            _moved(before)
            expect(answers[0] == answers[1], "the same generators gave two results")
        drawn = [_resampled(strategy, case) for _ in range(2)]
        expect(drawn[0] == drawn[1], "resampling: the same seed gave two results")
        first, again = network_for(strategy, case).state_dict(), network_for(strategy, case).state_dict()
        _moved(before)
        same = first.keys() == again.keys() and all(torch.equal(first[name], again[name]) for name in first)
        expect(same, "classifier: two calls after the same seed gave two results")


def facts(strategy: Strategy) -> None:
    """Facts are what they were, and answers repeat, even where the caller has changed the last one in place."""
    for case in (*ordinary(), *odd()):
        before = str(case.facts)
        first = _arrays(strategy, case)
        copies = [None if a is None else a.copy() for a in first]
        for array in first:
            if array is not None:
                array *= 2
        again = _arrays(strategy, case)
        for hook, a, b in zip(("class_weights_C", "sampling_C", "kept_C"), copies, again, strict=True):
            same = a is b if a is None or b is None else np.array_equal(a, b)
            expect(same, f"{hook} does not repeat itself")
        _, batch = next(batches(case))
        strategy.augmentation(case.facts)
        strategy.phases(10, case.facts)
        try_step(strategy, case, batch, PROGRESS[-1])
        expect(str(case.facts) == before, f"the facts were changed, {case.name}")


def _arrays(strategy: Strategy, case: Case) -> list[np.ndarray | None]:
    hooks = (strategy.class_weights_C, strategy.sampling_C, strategy.kept_C)
    return [hook(case.facts, PROGRESS[-1]) for hook in hooks]


def _answer(strategy: Strategy, case: Case, batch: Any, seed: int) -> list[bytes]:
    """Return all that a step gives, to the bit."""
    step = try_step(strategy, case, batch, PROGRESS[-1], seed=seed)
    tensors = (step.batch.images_BCHW, step.batch.y_BC, step.loss, step.scored_BC)
    return [tensor.detach().contiguous().numpy().tobytes() for tensor in tensors]


def _resampled(strategy: Strategy, case: Case) -> list[bytes]:
    """Return what the strategy makes of samples, to the bit."""
    labels_N, features_NF, facts = samples(case)
    rows_M = strategy.resample_rows(labels_N, facts, seed=3)
    resampled = strategy.resample_features(features_NF, labels_N, facts, seed=3)
    return [np.ascontiguousarray(array).tobytes() for array in (rows_M, *(resampled or ())) if array is not None]


def _global_states() -> dict[str, Any]:
    numpy_state: Any = np.random.get_state(legacy=False)  # noqa: NPY002  (the global generator is what is looked at)
    return {"torch": torch.get_rng_state().tolist(), "NumPy": str(numpy_state), "Python": random.getstate()}


def _moved(before: dict[str, Any]) -> None:
    """Raise `Broken` with the name of a global generator that has moved."""
    for name, state in _global_states().items():
        if state != before[name]:
            raise Broken(f"{name}'s global generator was drawn from")
