"""The clauses about what a strategy computes from the facts alone: weights, draws, strengths, phases. C classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.contract.cases import PROGRESS, Case, odd, ordinary
from benchmarks.contract.clause import expect
from strategies.base import Strategy
from strategies.expression import parse

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
        empty_C = case.facts.counts == 0
        for progress in PROGRESS:
            p_C, kept_C = strategy.sampling_C(case.facts, progress), strategy.kept_C(case.facts, progress)
            if p_C is not None:
                _proper("sampling_C", p_C, case)
                expect((p_C >= 0).all(), f"sampling_C gives a negative probability, {case.name}")
                expect(abs(p_C.sum() - 1) < 1e-9, f"sampling_C sums to {p_C.sum()}, not to 1, {case.name}")
                expect((p_C[empty_C] == 0).all(), f"sampling_C draws a class without samples, {case.name}")
            if kept_C is not None:
                expect(kept_C.dtype == np.int64, f"kept_C is {kept_C.dtype}, not int64")
                expect((kept_C <= case.facts.counts).all(), f"kept_C keeps more samples than there are, {case.name}")
                expect(((kept_C > 0) == ~empty_C).all(), f"kept_C leaves a class without samples, {case.name}")


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
    """Stretches cover the stage without gaps for any number of epochs, and what acts in each can be written down."""
    for case in cases or ordinary():
        stage = case.facts.stage
        for epochs in EPOCHS:
            found = strategy.phases(epochs, case.facts)
            spans = [(p.start, p.end) for p in found]
            covers = spans and spans[0][0] == 0 and spans[-1][1] == epochs and all(a <= b for a, b in spans)
            gapless = all(a[1] == b[0] for a, b in zip(spans, spans[1:], strict=False))
            expect(covers and gapless, f"{epochs} epochs are split into {spans}")
            for phase in found:
                acting, identity = strategy.acting(stage, phase), strategy.training_identity(stage, phase)
                expect(bool(identity) == acting.trains_differently(), f"{phase} acts without an identity, or idly")
                expect(not identity or parse(str(acting)) == acting, f"{str(acting)!r} reads back as another strategy")
            if strategy.trains_differently():
                acts = any(strategy.training_identity(stage, phase) for phase in found)
                expect(acts == strategy.acts_in(stage), f"in stage {stage} it acts in no stretch of {epochs} epochs")


def _proper(hook: str, values_C: np.ndarray, case: Case) -> None:
    """Expect a finite float64 array [C]."""
    expect(isinstance(values_C, np.ndarray), f"{hook} gives a {type(values_C).__name__}, not an array")
    expect(
        values_C.shape == (case.facts.num_classes,),
        f"{hook} has shape {values_C.shape} for {case.facts.num_classes} classes",
    )
    expect(values_C.dtype == np.float64, f"{hook} is {values_C.dtype}, not float64")
    expect(np.isfinite(values_C).all(), f"{hook} is not finite, {case.name}")
