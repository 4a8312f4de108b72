"""The losses and weights of the literature against their papers' formulas: values and gradients, in float64."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from strategies.base import Facts, Progress
from strategies.combining.expression import parse
from strategies.losses.label_aware_smoothing import LabelAwareSmoothing
from tests.strategies.paper import (
    BALANCED,
    EXTREME,
    TYPICAL,
    Case,
    Reference,
    cases,
    compare,
    computed,
    differences,
    expected,
    log_softmax,
    softmax,
)

START = Progress(0, 4)


def focal(gamma: float) -> Reference:
    def loss(z_C: np.ndarray, b: int, case: Case) -> list[float]:
        p_C, log_p_C = softmax(z_C), log_softmax(z_C)
        return [-float(np.delete(p_C, y).sum() ** gamma * log_p_C[y]) for y in range(len(z_C))]

    return loss


def seesaw(p: float, q: float, floor: float) -> Reference:
    def loss(z_C: np.ndarray, b: int, case: Case) -> list[float]:
        log_s_C = log_softmax(case.z_BC[b])  # where the case stands: no gradient flows through the factor

        def of_label(i: int) -> float:
            terms = []
            for j, z in enumerate(z_C):
                log_m = min(0.0, p * math.log(case.n_C[j] / case.n_C[i]))
                own = max(log_s_C[i], math.log(floor)) if floor else log_s_C[i]
                log_c = max(0.0, q * (log_s_C[j] - own))
                terms.append(z if i == j else z + log_m + log_c)
            return -float(log_softmax(np.array(terms))[i])

        return [of_label(i) for i in range(len(z_C))]

    return loss


def equalization(gamma: float, threshold: float) -> Reference:
    def loss(z_C: np.ndarray, b: int, case: Case) -> list[float]:
        uniforms_BC = torch.rand(case.z_BC.shape, generator=torch.Generator().manual_seed(case.seed)).numpy()
        weight_C = []
        for k, n in enumerate(case.counts):
            beta, rare = uniforms_BC[b, k] < gamma, n / sum(case.counts) < threshold / len(z_C)
            weight_C.append(1 - beta * rare * (1 - case.y_BC[b, k]))
        top = max(z for z, w in zip(z_C, weight_C, strict=True) if w > 0)
        total = math.fsum(w * math.exp(z - top) for z, w in zip(z_C, weight_C, strict=True) if w > 0)
        return [math.log(total) - (z - top) for z in z_C]

    return loss


def smoothing(head: float, tail: float, shape: str, counts: tuple[int, ...]) -> list[float]:
    most, least = max(counts), min(n for n in counts if n)
    given_C = []
    for n in counts:
        rank = (max(n, least) - least) / (most - least) if most > least else 0.0
        given_C.append({
            "concave": tail + (head - tail) * math.sin(rank * math.pi / 2),
            "linear": tail + (head - tail) * rank,
            "convex": head + (head - tail) * math.sin(3 * math.pi / 2 + rank * math.pi / 2),
        }[shape])  # fmt: skip
    return given_C


def label_aware(head: float, tail: float, shape: str) -> Reference:
    def loss(z_C: np.ndarray, b: int, case: Case) -> list[float]:
        e_C, classes = smoothing(head, tail, shape, case.counts), len(z_C)

        def of_label(y: int) -> float:
            q_C = [1 - e_C[y] if c == y else e_C[y] / (classes - 1) for c in range(classes)]
            return -math.fsum(q * log_p for q, log_p in zip(q_C, log_softmax(z_C), strict=True))

        return [of_label(y) for y in range(classes)]

    return loss


def influence(alpha: float, epsilon: float) -> Reference:
    def loss(z_C: np.ndarray, b: int, case: Case) -> np.ndarray:
        present = [n for n in case.counts if n]
        lambda_C = [len(present) / n / math.fsum(1 / m for m in present) if n else 1.0 for n in case.counts]
        size = math.fsum(abs(softmax(z_C) - case.y_BC[b])) * math.fsum(abs(case.h_BF[b]))
        return -alpha * np.array(lambda_C) * log_softmax(z_C) / (size + epsilon)

    return loss


LOSSES = {
    "focal": focal(2),
    "focal(gamma=0.5)": focal(0.5),
    "focal(gamma=0.0)": lambda z_C, b, case: -log_softmax(z_C),
    "seesaw": seesaw(0.8, 2, 0.01),
    "seesaw(p=0.3,q=1.0,floor=0.0)": seesaw(0.3, 1, 0),
    "equalization": equalization(0.9, 0.5),
    "equalization(gamma=1.0,threshold=1.5)": equalization(1, 1.5),
    "equalization(gamma=0.0)": lambda z_C, b, case: -log_softmax(z_C),
    "label-aware-smoothing": label_aware(0.4, 0.1, "concave"),
    "label-aware-smoothing(head=0.3,tail=0.0,shape=linear)": label_aware(0.3, 0, "linear"),
    "label-aware-smoothing(shape=convex)": label_aware(0.4, 0.1, "convex"),
    "influence-balanced": influence(10, 0.001),
    "influence-balanced(alpha=1000.0,epsilon=0.5)": influence(1000, 0.5),
}


@pytest.mark.parametrize("text", LOSSES)
@settings(max_examples=12)
@given(case=cases())
@example(case=TYPICAL)
@example(case=EXTREME)
def test_a_loss_and_its_gradient_are_the_papers(text: str, case: Case) -> None:
    compare(text, LOSSES[text], case)


def test_class_weights_apply_to_each_label_of_a_mixed_pair() -> None:
    counts = (5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50)  # CIFAR-10-LT at ratio 100
    weights_C = parse("class-balanced").class_weights_C(Facts(counts, ("",) * 10), START)
    assert weights_C is not None
    y_BC = 0.9 * np.eye(10)[:1] + 0.1 * np.eye(10)[9:]
    case = Case(counts, np.zeros((1, 10)), y_BC, weights_C, np.ones((1, 1)))
    for text in ("none", "focal(gamma=0)", "label-aware-smoothing(head=0,tail=0)"):
        pull_C = -(y_BC @ weights_C) * computed(text, case)[1][0]
        assert pull_C[[0, 9]].round(3).tolist() == [0.001, 0.355], "not 0.356 and 0.000, one weight for the pair"


@settings(max_examples=12)
@given(case=cases())
@example(case=TYPICAL)
def test_the_influence_counts_the_features_and_lets_their_gradient_through(case: Case) -> None:
    def value(h_BF: np.ndarray) -> float:
        return expected(influence(10, 0.001), dataclasses.replace(case, h_BF=h_BF), case.z_BC)

    _, _, gradient_BF = computed("influence-balanced", case)
    by_differences = differences(value, case.h_BF)
    np.testing.assert_allclose(gradient_BF, by_differences, rtol=1e-6, atol=1e-6 * np.abs(by_differences).max() + 1e-9)


@pytest.mark.parametrize("text", [*LOSSES, "focal(gamma=0.01)"])
@pytest.mark.parametrize("case", [EXTREME, BALANCED], ids=["long tail", "balanced"])
def test_extreme_logits_stay_finite_in_float32_and_near_the_formula(text: str, case: Case) -> None:
    loss, gradient_BC, gradient_BF = computed(text, case, torch.float32)
    assert np.isfinite([loss, *gradient_BC.ravel(), *gradient_BF.ravel()]).all()
    if text in LOSSES:
        assert loss == pytest.approx(expected(LOSSES[text], case, case.z_BC), rel=1e-4)


@pytest.mark.parametrize("text", LOSSES)
def test_a_sample_that_is_certain_costs_nothing_and_breaks_nothing(text: str) -> None:
    certain = dataclasses.replace(EXTREME, z_BC=200 * EXTREME.y_BC)
    loss, gradient_BC, _ = computed(text, certain, torch.float32)
    assert np.isfinite([loss, *gradient_BC.ravel()]).all()
    if not text.startswith("label-aware"):  # which wants certainty tempered
        assert loss == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("text", LOSSES)
def test_the_scale_of_the_class_weights_cancels(text: str) -> None:
    scaled = dataclasses.replace(EXTREME, w_C=1000 * EXTREME.w_C)
    assert computed(text, scaled)[0] == pytest.approx(computed(text, EXTREME)[0], rel=1e-12)


@given(case=cases())
def test_the_equalization_loss_without_class_weights_is_never_negative(case: Case) -> None:
    case = dataclasses.replace(case, w_C=np.ones_like(case.w_C))
    assert computed("equalization(gamma=1.0,threshold=9.0)", case)[0] >= -1e-9


def test_the_equalization_loss_draws_from_its_generator_only_and_for_each_sample_and_class() -> None:
    rows = 4000
    case = Case((500, 490, 5, 5), np.zeros((rows, 4)), np.eye(4)[[0] * rows], np.ones(4), np.zeros((rows, 1)), 5)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    loss, gradient_BC, _ = computed("equalization(gamma=0.75)", case)
    assert torch.equal(before, torch.get_rng_state())
    pushed_BC = gradient_BC * rows > 0
    assert pushed_BC[:, :2].tolist() == [[False, True]] * rows, "the frequent class is always pushed down"
    for rare in (2, 3):  # a quarter of the draws leaves the push on
        assert pushed_BC[:, rare].mean() == pytest.approx(0.25, abs=5 * math.sqrt(0.25 * 0.75 / rows))
    assert (pushed_BC[:, 2] != pushed_BC[:, 3]).mean() == pytest.approx(0.375, abs=0.05), "not one draw per sample"
    again = computed("equalization(gamma=0.75)", case)[0]
    other = computed("equalization(gamma=0.75)", dataclasses.replace(case, seed=6))[0]
    assert (again == loss, other == loss) == (True, False)


@given(
    st.lists(st.sampled_from([0, 1, 2]) | st.integers(0, 2000), min_size=2, max_size=12).filter(any),
    st.sampled_from([0.0, 0.9, 0.99, 0.999, 0.9999]),
)
@example([25, 25, 25], 0.9999)
def test_class_balanced_weights_are_one_over_the_effective_number(counts: list[int], beta: float) -> None:
    number = {n: math.fsum(beta**k for k in range(n)) for n in counts}  # what (1 - beta^n) / (1 - beta) sums up to
    held = [1 / number[n] for n in counts if n]
    wanted = [len(held) / number[n] / math.fsum(held) if n else 1.0 for n in counts]
    weights_C = parse(f"class-balanced(beta={beta})").class_weights_C(Facts(tuple(counts), ("",) * len(counts)), START)
    assert weights_C is not None
    np.testing.assert_allclose(weights_C, wanted, rtol=1e-6)
    assert weights_C.sum() == pytest.approx(len(counts))


@given(
    st.lists(st.integers(0, 2000), min_size=2, max_size=12).filter(any),
    st.sampled_from(["concave", "linear", "convex"]),
)
def test_smoothing_runs_from_tail_to_head(counts: list[int], shape: str) -> None:
    facts = Facts(tuple(counts), ("",) * len(counts))
    given_C = LabelAwareSmoothing(0.4, 0.1, shape).smoothing_C(facts)  # type: ignore[arg-type]
    np.testing.assert_allclose(given_C, smoothing(0.4, 0.1, shape, tuple(counts)), rtol=1e-9)
    most, least = max(counts), min(n for n in counts if n)
    assert given_C[counts.index(least)] == pytest.approx(0.1)
    if most > least:
        assert given_C[counts.index(most)] == pytest.approx(0.4)


@pytest.mark.parametrize(("start", "border"), [(0.0, 0), (0.5, 50), (0.8, 80), (0.999, 99)])
def test_the_influence_counts_from_its_start_on(start: float, border: int) -> None:
    facts = Facts((5, 3), ("a", "b"))
    phases = parse(f"influence-balanced(start={start})").phases(100, facts)
    assert [(p.start, p.end) for p in phases if not p.active] == ([(0, border)] if border else [])
    assert [(p.start, p.end) for p in phases if p.active] == [(border, 100)]
    for epochs in (1, 2, 3):
        assert parse(f"influence-balanced(start={start})").phases(epochs, facts)[-1].active
