"""Clauses about single training steps: shapes, finite losses, odd classes, random numbers, unchanged facts."""

from __future__ import annotations

import fnmatch
import random
from typing import Any

import numpy as np
import torch

from benchmarks.contract import values
from benchmarks.contract.cases import PROGRESS, Case, batches, odd, ordinary, paired, samples
from benchmarks.contract.clauses import Broken, clause, expect
from benchmarks.contract.step import drawn, network_for, try_step
from strategies.base import Batch, Strategy


@clause("views", after=("weights",))
def views(strategy: Strategy) -> None:
    """The number of views is a positive integer, and mixing keeps all of them.

    The number is the same on every call; `mix` returns either no views, and the batch keeps its own, or all of them,
    with images and targets of unchanged shape and targets that sum to 1.
    """
    count = strategy.views()
    expect(type(count) is int and count >= 1, f"views gives {count!r}, not a whole number of at least 1")
    expect(strategy.views() == count, "views does not repeat itself")
    for case in ordinary():
        for name, batch in batches(case):
            given = drawn(strategy, batch)
            given.second = drawn(strategy, batch)
            mixed = strategy.mix(given, case.facts, torch.Generator().manual_seed(0)).views
            expect(len(mixed) in (0, count - 1), f"mix returns {len(mixed)} of {count - 1} views, {name}")
            for view in mixed:
                right = view.images_BCHW.shape == batch.images_BCHW.shape and view.y_BC.shape == batch.y_BC.shape
                expect(right, f"mix returns a view of another shape, {name}")
                sums_close = torch.allclose(view.y_BC.sum(1), torch.ones(len(view.y_BC)), atol=1e-5)
                expect(sums_close and (view.y_BC >= 0).all(), f"a view's targets do not sum to 1, {name}")


@clause("ascent", after=("weights",))
def ascent(strategy: Strategy) -> None:
    """Weights that `ascend` moves are restored bit for bit.

    `ascent_C` gives a bool per class: whether weights are moved for it.
    """
    for case in ordinary():
        classes_C = strategy.ascent_C(case.facts)
        told = classes_C is None or (classes_C.dtype == np.bool_ and classes_C.shape == (case.facts.num_classes,))
        expect(told, f"ascent_C does not give a bool per class, {case.name}")
    network = network_for(strategy, ordinary()[0])
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for seed, parameter in enumerate(p for p in network.parameters() if p.requires_grad):
        parameter.grad = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed))
    move_back = strategy.ascend(network)
    if move_back is not None:
        move_back()
    moved = [name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])]
    expect(not moved, f"{', '.join(moved[:1])} is not as it was before ascend")


@clause("rates", after=("weights",))
def rates(strategy: Strategy) -> None:
    """Learning-rate factors are positive, finite and reproducible, and each pattern matches a parameter."""
    factors = strategy.rates()
    expect(strategy.rates() == factors, "rates does not repeat itself")
    names = [name for name, _ in network_for(strategy, ordinary()[0]).named_parameters()] if factors else []
    for pattern, factor in factors.items():
        expect(0 < factor < float("inf"), f"rates gives {factor!r} for {pattern}, not a positive number")
        expect(bool(fnmatch.filter(names, pattern)), f"no parameter of the network fits the pattern {pattern} of rates")


@clause("shapes", after=("weights", "views"))
def shapes(strategy: Strategy) -> None:
    """Logits, targets and loss have the right shapes.

    Logits and targets are [B, C], images keep their shape, targets sum to 1, the loss is a scalar.
    """
    for case in paired(ordinary()):
        for _, batch in batches(case):
            try_step(strategy, case, batch, PROGRESS[-1])


@clause("finite", after=("weights", "shapes"))
def finite(strategy: Strategy) -> None:
    """Loss and gradients are finite.

    So are the predicted logits, for classifier outputs of usual size and 300 times larger.
    """
    for case in paired(ordinary()):
        name, batch = next(batches(case))
        for scale in (1.0, 300.0):
            _finite(strategy, case, name, batch, scale)


@clause("odd-classes", after=("phases", "weights", "augmentation", "shapes", "finite"))
def odd_classes(strategy: Strategy) -> None:
    """One-class batches, empty classes and one-sample classes are handled.

    Loss and gradients are finite, and weights, strengths and phases are valid.
    """
    values.weights(strategy, odd())
    values.augmentation(strategy, odd())
    values.phases(strategy, odd())
    for case in paired(odd()):
        for name, batch in batches(case):
            _finite(strategy, case, name, batch)
    for case in paired(ordinary()):
        _, (name, batch) = batches(case)
        _finite(strategy, case, name, batch)


def _finite(strategy: Strategy, case: Case, name: str, batch: Batch, scale: float = 1.0) -> None:
    step = try_step(strategy, case, batch, PROGRESS[-1], scale=scale)
    expect(torch.isfinite(step.loss), f"the loss is {float(step.loss.detach())}, {name}")
    expect(torch.isfinite(step.scored_BC).all(), f"predict gives logits that are not finite, {name}")
    if step.loss.requires_grad:  # a single class may leave nothing to learn
        step.loss.backward()
    for parameter, tensor in step.network.named_parameters():
        expect(
            tensor.grad is None or torch.isfinite(tensor.grad).all(),
            f"the gradient of {parameter} is not finite, {name}",
        )


@clause("randomness", after=("weights", "shapes"))
def randomness(strategy: Strategy) -> None:
    """Random numbers are drawn only from the given generator.

    The global generators of torch, NumPy and Python keep their state, and the same generator gives the same results.
    """
    for case in ordinary()[:4]:
        before = _global_states()
        for _, batch in batches(case):
            answers = [_answer(strategy, case, batch, seed=seed) for seed in (0, 0)]
            _expect_unmoved(before)
            expect(answers[0] == answers[1], "the same generators gave two results")
        drawn = [_resampled(strategy, case) for _ in range(2)]
        expect(drawn[0] == drawn[1], "resampling: the same seed gave two results")
        first, again = network_for(strategy, case).state_dict(), network_for(strategy, case).state_dict()
        _expect_unmoved(before)
        same = first.keys() == again.keys() and all(torch.equal(first[name], again[name]) for name in first)
        expect(same, "classifier: two calls after the same seed gave two results")


@clause("facts", after=("weights", "shapes", "randomness"))
def facts(strategy: Strategy) -> None:
    """Hooks leave the facts unchanged and return the same values on every call.

    Even after the caller has modified the previous result in place.
    """
    for case in (*paired(ordinary()), *paired(odd())):
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
        strategy.augmentation(case.facts)
        strategy.phases(10, case.facts)
        _, batch = next(batches(case))
        try_step(strategy, case, batch, PROGRESS[-1])
        expect(str(case.facts) == before, f"the facts were changed, {case.name}")


def _arrays(strategy: Strategy, case: Case) -> list[np.ndarray | None]:
    hooks = (strategy.class_weights_C, strategy.sampling_C, strategy.kept_C)
    return [hook(case.facts, PROGRESS[-1]) for hook in hooks]


def _answer(strategy: Strategy, case: Case, batch: Batch, seed: int) -> list[bytes]:
    """Return the results of a step as bytes."""
    step = try_step(strategy, case, batch, PROGRESS[-1], seed=seed)
    tensors = (step.batch.images_BCHW, step.batch.y_BC, step.loss, step.scored_BC)
    return [tensor.detach().contiguous().numpy().tobytes() for tensor in tensors]


def _resampled(strategy: Strategy, case: Case) -> list[bytes]:
    """Return the bytes of the rows and features that the strategy resamples."""
    labels_N, features_NF, facts = samples(case)
    rows_M = strategy.resample_rows(labels_N, facts, seed=3)
    resampled = strategy.resample_features(features_NF, labels_N, facts, seed=3)
    return [np.ascontiguousarray(array).tobytes() for array in (rows_M, *(resampled or ())) if array is not None]


def _global_states() -> dict[str, Any]:
    numpy_state: Any = np.random.get_state(legacy=False)  # noqa: NPY002  (the global generator is what is tested)
    return {"torch": torch.get_rng_state().tolist(), "NumPy": str(numpy_state), "Python": random.getstate()}


def _expect_unmoved(before: dict[str, Any]) -> None:
    """Raise `Broken` with the name of a global generator whose state changed."""
    for name, state in _global_states().items():
        if state != before[name]:
            raise Broken(f"{name}'s global generator was drawn from")
