"""The clauses about what a strategy computes from the facts alone: weights, draws, strengths, phases. C classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.contract.cases import PROGRESS, Case, odd, ordinary, samples
from benchmarks.contract.clause import expect
from strategies.base import Strategy
from strategies.combining.expression import parse

EPOCHS = (*range(1, 13), 50, 200)


def weights(strategy: Strategy, cases: Sequence[Case] | None = None) -> None:
    """Class weights are float64 [C], finite and positive."""
    for case in cases or ordinary():
        for progress in PROGRESS:
            weights_C = strategy.class_weights_C(case.facts, progress)
            if weights_C is not None:
                _proper("class_weights_C", weights_C, case)
                expect((weights_C > 0).all(), f"class_weights_C gives a weight of {weights_C.min()}, {case.name}")


def sampling(strategy: Strategy) -> None:
    """Probabilities sum to 1, empty classes get 0, and no class with samples loses all that may be drawn."""
    for case in (*ordinary(), *odd()):
        for progress in PROGRESS:
            for hook in ("sampling_C", "second_C"):
                _probabilities(hook, getattr(strategy, hook)(case.facts, progress), case)
            kept_C = strategy.kept_C(case.facts, progress)
            if kept_C is not None:
                expect(kept_C.dtype == np.int64, f"kept_C is {kept_C.dtype}, not int64")
                expect((kept_C <= case.facts.counts).all(), f"kept_C keeps more samples than there are, {case.name}")
                leaves_C = (kept_C > 0) == (case.facts.counts > 0)
                expect(leaves_C.all(), f"kept_C leaves a class without samples, {case.name}")
        _resampled(strategy, case)


def _probabilities(hook: str, p_C: np.ndarray | None, case: Case) -> None:
    if p_C is None:
        return
    _proper(hook, p_C, case)
    expect((p_C >= 0).all(), f"{hook} gives a negative probability, {case.name}")
    expect(abs(p_C.sum() - 1) < 1e-9, f"{hook} sums to {p_C.sum()}, not to 1, {case.name}")
    expect((p_C[case.facts.counts == 0] == 0).all(), f"{hook} draws a class without samples, {case.name}")


def _resampled(strategy: Strategy, case: Case) -> None:
    """Expect of resampled rows and features that they are of the classes that have samples, at least one of each."""
    labels_N, features_NF, facts = samples(case)
    rows_M = strategy.resample_rows(labels_N, facts, seed=3)
    if rows_M is not None:
        right = np.issubdtype(rows_M.dtype, np.integer) and (rows_M >= 0).all() and (rows_M < len(labels_N)).all()
        expect(right, f"resample_rows gives positions that are none of the samples', {case.name}")
        expect(set(labels_N[rows_M]) == set(labels_N), f"resample_rows loses a class, {case.name}")
    resampled = strategy.resample_features(features_NF, labels_N, facts, seed=3)
    if resampled is not None:
        features_MF, labels_M = resampled
        expect(features_MF.shape == (len(labels_M), features_NF.shape[1]), "resample_features: shapes do not agree")
        expect(np.isfinite(features_MF).all(), f"resample_features gives features that are not finite, {case.name}")
        expect(set(labels_M) == set(labels_N), f"resample_features loses a class or makes one up, {case.name}")


def augmentation(strategy: Strategy, cases: Sequence[Case] | None = None) -> None:
    """Strengths lie in [0, 1], one per class, and the share of draws in (0, 1]."""
    for case in cases or ordinary():
        pipeline = strategy.augmentation(case.facts)
        if pipeline is not None:
            strengths = pipeline.strength_C
            expect(len(strengths) == case.facts.num_classes, f"{len(strengths)} strengths for the classes, {case.name}")
            expect(all(0 <= s <= 1 for s in strengths), f"a strength lies outside of [0, 1], {case.name}")
            expect(0 < pipeline.share <= 1, f"the share {pipeline.share} lies outside of (0, 1]")


def phases(strategy: Strategy, cases: Sequence[Case] | None = None) -> None:
    """Phases cover the stage without gaps for any number of epochs, and what acts in each can be written down."""
    for epochs in EPOCHS:
        acts = False
        for case in cases or ordinary():
            found = strategy.phases(epochs, case.facts)
            spans = [(p.start, p.end) for p in found]
            covers = spans and spans[0][0] == 0 and spans[-1][1] == epochs and all(a <= b for a, b in spans)
            gapless = all(a[1] == b[0] for a, b in zip(spans, spans[1:], strict=False))
            expect(covers and gapless, f"{epochs} epochs are split into {spans}")
            for phase in found:
                acting, identity = strategy.acting(phase), strategy.training_identity(phase)
                expect(bool(identity) == acting.trains_differently(), f"{phase} acts without an identity, or idly")
                expect(not identity or parse(str(acting)) == acting, f"{str(acting)!r} reads back as another strategy")
                acts = acts or bool(identity)
        expect(acts == strategy.trains_differently(), f"its hooks act in no phase of {epochs} epochs, in either stage")


def _proper(hook: str, values_C: np.ndarray, case: Case) -> None:
    """Expect a finite float64 array [C]."""
    expect(isinstance(values_C, np.ndarray), f"{hook} gives a {type(values_C).__name__}, not an array")
    expect(
        values_C.shape == (case.facts.num_classes,),
        f"{hook} has shape {values_C.shape} for {case.facts.num_classes} classes",
    )
    expect(values_C.dtype == np.float64, f"{hook} is {values_C.dtype}, not float64")
    expect(np.isfinite(values_C).all(), f"{hook} is not finite, {case.name}")
